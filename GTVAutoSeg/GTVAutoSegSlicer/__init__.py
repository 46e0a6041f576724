"""The Slicer side of GTVAutoSeg: the scene, the child process and the parts of the panel. Never imports torch."""
