"""Structure sets that are written: the regions in them, and those that were there before."""
