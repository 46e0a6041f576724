"""Commands for studies of the method."""
