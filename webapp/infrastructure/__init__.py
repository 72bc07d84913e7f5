"""What a process needs besides the product: the job queue, encryption, logging."""
