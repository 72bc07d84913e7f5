"""Who is calling: the session cookie of a person, the API key of another system. Both look it up in the database."""
