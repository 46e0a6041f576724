"""Training: the loop, the two stages, checkpoints."""
