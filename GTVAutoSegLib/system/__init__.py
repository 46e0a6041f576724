"""What every program needs: files, processes, settings, and nothing about images."""
