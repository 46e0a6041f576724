"""Freed memory is kept for the next slice."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource, sys
import numpy as np
from GTVAutoSegLib.system.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(1 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True).stdout)


def test_large_arrays_made_again_and_again_cost_page_faults_once():
    # Elsewhere than on Linux nothing is changed, so nothing is expected.
    assert sys.platform != "linux" or page_faults("keep") * 10 < page_faults("leave")
