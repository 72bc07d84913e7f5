"""Members from a file: chosen and tried (imports), its columns, its rows, and the workers' processing."""
