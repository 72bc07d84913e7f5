"""The people who sign in: accounts, login and its throttle, two-factor authentication, sessions."""
