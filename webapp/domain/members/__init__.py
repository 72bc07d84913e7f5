"""Members of the community: the directory, search and identification, status and data."""
