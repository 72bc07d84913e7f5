"""Communities that awards are shown in: one adapter for each kind, which know no database and no Flask."""
