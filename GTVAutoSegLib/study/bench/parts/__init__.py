"""Parts measured by themselves, each a module to run: ``python -m GTVAutoSegLib.study.bench.parts.<name> --help``."""
