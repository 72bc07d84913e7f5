"""Batches: drafts and their entries, uploads with preview, runs, and the workers' processing."""
