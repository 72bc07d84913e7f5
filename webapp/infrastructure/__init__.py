"""Technical services of a process: the job queue, encryption, logging."""
