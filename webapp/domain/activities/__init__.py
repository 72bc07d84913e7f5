"""Activities: events are counted into a sum per member and activity (counters), also from a file (csv_import)."""
