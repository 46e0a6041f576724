"""Runs: what is started with which values, the one in progress, and how far it is."""
