"""Completion: from a few slices that a person drew to the whole volume."""
