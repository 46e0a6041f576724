"""Whether everything that can run on a GPU does so, and gives what a CPU gives: ``gtvautoseg bench gpu``."""
