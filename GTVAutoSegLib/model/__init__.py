"""Model bundles on disk, and cascades made from them."""
