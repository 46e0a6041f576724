"""Many CTs without a window.

Slicer --no-splash --no-main-window --python-script gtv_batch.py -- --input DIR --output DIR --model ID [...]

The options are those of ``gtvautoseg batch``, and so are results and exit codes. Everything is caught here: an error
that gets out of a script leaves Slicer running for ever.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from pathlib import Path

import slicer

USAGE, FAILED = 2, 4
LOG = "gtv_batch.log"


def main() -> int:
    """Find the module's and the library's folders, and run the batch."""
    # Installed, the library lies beside the module's package; in the source tree one folder up.
    module = Path(__file__).resolve().parents[2]
    sys.path += [str(folder) for folder in (module, module.parent) if str(folder) not in sys.path]
    from GTVAutoSegSlicer.slicer_version import too_old

    if reason := too_old():
        keep(f"gtv_batch: {reason}")
        return USAGE
    from GTVAutoSegSlicer.headless import run_batch

    return run_batch(sys.argv[1:])


def keep(text: str) -> None:
    """Print a text, and write it down: on Windows Slicer prints nothing."""
    print(text)
    with contextlib.suppress(OSError):
        Path(slicer.app.temporaryPath, LOG).write_text(f"{text}\n", encoding="utf-8")


try:
    code = main()
except BaseException:
    keep(traceback.format_exc())
    code = FAILED
slicer.util.exit(code)
