"""The audit log: who did what, when and from where. Written (events), rendered (sentences) and searched (search)."""
