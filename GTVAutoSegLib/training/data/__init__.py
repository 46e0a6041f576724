"""Data sets, and how training sees them."""
