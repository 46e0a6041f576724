"""Masks as structures: on their CT's grid, with a name, a colour and a meaning, from any file."""
