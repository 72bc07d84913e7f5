"""What `make bench` measures: each work beside its floor, in one run, as a ratio."""
