"""Masks against labels: figures, tables and plots."""
