"""A worker with time slices of a tenth of a second, so that a small community shows how batches take turns."""

from __future__ import annotations

from jobs import time_slice, worker

time_slice.TURN = 0.1

if __name__ == "__main__":
    worker.main()
