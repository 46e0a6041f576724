"""What a training leaves: thresholds, model bundles, 8-bit forms, a report."""
