"""Admin pages: staff, API keys, webhooks and system."""
