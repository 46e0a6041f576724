"""A person steers an outline: its box, its probability, the slices that are a person's, and each step on it."""
