"""``python -m GTVAutoSegLib`` and ``gtvautoseg``: the command line as a process of its own."""

import signal
import sys


def run() -> None:
    """Run the command line and end the process with its exit code."""
    # Ctrl+C while Python is still importing ends the process without a word; later, the run ends in order.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .commands.cli import main
    from .system.allocator import keep_freed_memory

    keep_freed_memory()
    sys.exit(main())


if __name__ == "__main__":
    run()
