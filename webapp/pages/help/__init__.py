"""The guides in docs/guides, at `/help`: one page per job."""
