"""Other systems, timed on the same CT."""
