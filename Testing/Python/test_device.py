"""Which errors of PyTorch mean that memory ran out, and which do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from GTVAutoSegLib.cascade.device import is_out_of_memory

# A convolution whose output of 67 MB has to fit into so many MB above what the process has.
PROGRAM = """
import resource, sys, torch
from GTVAutoSegLib.cascade.device import is_out_of_memory
network, image = torch.nn.Conv2d(1, 32, 3), torch.rand(2, 1, 512, 512)
network(image[..., :8, :8])
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[1]) * 2**20, resource.RLIM_INFINITY))
try:
    network(image)
except RuntimeError as error:
    print(is_out_of_memory(error), error)
"""


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("CUDA error: out of memory", True),
        ("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory", True),
        ("std::bad_alloc", True),
        ("could not create a memory object", True),
        ("could not create a primitive", True),
        ("could not create a primitive. Run workload with environment variable ONEDNN_VERBOSE=all", True),
        ("could not create a primitive descriptor for the deconvolution forward propagation primitive", False),
        ("could not execute a primitive", False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("Unable to find a valid cuDNN algorithm to run convolution", True),
        ("GET was unable to find an engine to execute this computation", True),
        ("CUDA error: no kernel image is available for execution on the device", False),
        ("CUDA error: an illegal memory access was encountered", False),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_only_errors_of_memory_are_taken_for_such(text, memory):
    assert is_out_of_memory(RuntimeError(text)) is memory


def test_cudas_own_class_is_one():
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("no words"))


@pytest.mark.parametrize("free", [0, 50])
def test_a_convolution_that_really_runs_out_of_memory_is_recognised(free):
    command = [sys.executable, "-c", PROGRAM, str(free)]
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout
    assert answer.startswith("True "), answer  # with nothing free oneDNN says it, in its own words
