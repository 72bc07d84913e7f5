"""Webhooks: endpoints, the outbox of events, their delivery, and the policy for URLs."""
