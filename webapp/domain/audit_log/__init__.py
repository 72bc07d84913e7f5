"""Who did what, when and from where: written (events), read as sentences (sentences), searched (search)."""
