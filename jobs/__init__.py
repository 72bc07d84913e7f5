"""The worker's jobs: each step is one transaction around a call into the domain."""
