"""The page `Audit log`: who did what, when and from where."""
