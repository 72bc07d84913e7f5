"""Connections to communities: their settings, the pull of their members, and the awards shown there."""
