"""Outlines of a mask's slices: from pixels to closed polygons."""
