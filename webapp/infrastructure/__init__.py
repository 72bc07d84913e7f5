"""Technical services: the job queue, rate limits, encryption, logging."""
