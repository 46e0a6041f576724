"""Nodes of the scene: CT, segments, and what leaves it."""
