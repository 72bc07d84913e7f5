"""Operations: heartbeats of processes, status, and maintenance."""
