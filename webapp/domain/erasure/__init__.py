"""Erase a member's personal data from rows (erase) and stored files (stored_files)."""
