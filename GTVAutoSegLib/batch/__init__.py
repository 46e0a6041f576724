"""Many CTs: finding them, and segmenting them in one process or on many machines."""
