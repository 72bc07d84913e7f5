"""What `make bench` measures: each operation compared with a baseline in the same run, as a ratio."""
