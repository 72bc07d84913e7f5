"""Webhooks: endpoints, the outbox of events, their delivery, and which addresses are allowed."""
