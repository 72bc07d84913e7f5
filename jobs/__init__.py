"""The worker's shells: each job is a transaction a step, around one call into the domain."""
