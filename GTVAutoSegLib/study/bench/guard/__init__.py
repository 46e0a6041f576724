"""Whether the program has become slower."""
