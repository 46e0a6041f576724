"""Model bundles on disk; nothing here needs PyTorch."""
