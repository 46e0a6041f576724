"""Corrected cases, trainings, and the models that come of them."""
