"""Commands from a clinic's data to a judged model."""
