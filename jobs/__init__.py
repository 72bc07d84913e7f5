"""Background jobs: each runs one transaction per step, around a call into the domain."""
