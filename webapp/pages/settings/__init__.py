"""The pages for Admins: staff, API keys, webhooks and system."""
