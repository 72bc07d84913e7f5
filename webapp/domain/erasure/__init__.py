"""Erasing a member: nothing that names them stays, neither in rows (erase) nor in stored files (stored_files)."""
