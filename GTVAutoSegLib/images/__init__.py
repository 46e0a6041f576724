"""Images and masks on their grids, in memory and as files."""
