"""Commissioning: the page that is filed before a model is used, and again each quarter."""
