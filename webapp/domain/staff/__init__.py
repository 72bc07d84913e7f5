"""Staff: accounts, login and its throttle, two-factor authentication, sessions."""
