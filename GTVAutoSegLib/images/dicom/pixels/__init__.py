"""From stored bits to HU."""
