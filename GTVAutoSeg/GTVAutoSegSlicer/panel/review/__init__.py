"""What leaves the panel for other systems: export, sending, and a person's approval."""
