"""Import members from a file: upload and dry run (imports), columns, rows, and the workers' processing."""
