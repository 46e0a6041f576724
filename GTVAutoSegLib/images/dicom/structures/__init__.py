"""Parts of a structure set that is written: the regions in it, and those that were there before."""
