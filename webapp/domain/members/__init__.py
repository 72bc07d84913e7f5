"""The members of the community: the directory, searching and identifying them, their status and their data."""
