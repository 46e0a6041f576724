"""Cases that came from corrected outlines."""
