#!/usr/bin/env bash
# Runs the module's self test in the Slicer on the search path, with a main window and without.
set -euo pipefail
cd "$(dirname "$0")/.."
test="import slicer.testing; slicer.testing.runUnitTest(['$PWD/GTVAutoSeg'], 'GTVAutoSeg')"
for window in "" --no-main-window; do
  # Slicer waits for ever when its Python code fails before it can say so.
  timeout 600 xvfb-run --auto-servernum Slicer --testing --no-splash $window \
    --additional-module-paths "$PWD/GTVAutoSeg" --python-code "$test"
done
