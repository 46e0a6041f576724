"""The parts of the panel with which a person steers the outline."""
