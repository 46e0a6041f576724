"""Trainings: what is asked for, the folder that keeps it, and the child process."""
