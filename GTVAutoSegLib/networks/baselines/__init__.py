"""Segmenters to compare SANet with."""
