"""What there is to do: plain functions, one module per noun. They flush, raise and return; they never commit."""
