"""Identify the caller: staff by session cookie, other systems by API key. Both are looked up in the database."""
