"""Adapters of communities, against servers on loopback that answer as those do."""
