"""``python -m GTVAutoSegLib`` and ``gtvautoseg``: the command line as a process of its own."""

import sys

from .cli import main
from .system.allocator import keep_freed_memory


def run() -> None:
    """Run the command line and end the process with its exit code."""
    keep_freed_memory()
    sys.exit(main())


if __name__ == "__main__":
    run()
