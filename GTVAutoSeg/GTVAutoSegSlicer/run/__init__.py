"""A run and its child process."""
