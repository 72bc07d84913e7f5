"""Webhooks: endpoints, the outbox of events, their delivery, the feed of events, and the policy for URLs."""
