"""The product's actions as plain functions. They flush, raise and return; they never commit."""
