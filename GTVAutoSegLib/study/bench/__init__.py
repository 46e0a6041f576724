"""Measuring the cascade: time and memory, its stages, how they grow, and other systems beside it.

The process that asks stays small and imports neither torch nor numpy, so that the memory of its children is theirs.
"""
