"""Setting up PyTorch, and saying what is there."""
