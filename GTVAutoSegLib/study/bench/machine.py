"""What a measurement was made on: without it the figures mean nothing."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Processor, cores, operating system, and how busy it is: a busy machine measures the others' work."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "allocator": "glibc, freed memory is kept (GTVAutoSegLib/system/allocator.py)"
        if platform.libc_ver()[0] == "glibc"
        else "the system's own",
    }


def processor() -> str:
    """Its name, and the instructions it has that decide about speed."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    notable = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8", "amx_bf16") if flag in flags]
    return " ".join([name or platform.processor() or "unknown", *notable])
