# Everything sets itself up: on a fresh clone `make demo` or `make test` is the first and only command.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# A later torch on Linux is a CUDA build of several GB; the library itself accepts any torch from 2.4 on.
CONSTRAINTS := Testing/constraints.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint $(CONSTRAINTS)

# What PyTorch computes depends on the processor: networks, training and inference.
PROCESSOR_TESTS := $(addprefix Testing/Python/,test_network_kernels.py test_networks.py test_sanet.py test_multitask.py \
	test_volumetric_base.py test_training.py test_training_arithmetic.py test_learning.py test_engine.py \
	test_inference.py test_cascade.py test_crops.py test_quantisation.py)
HAS_AVX512 = import sys, torch; sys.exit("AVX512" not in torch.backends.cpu.get_cpu_capability())

.PHONY: demo test test-without-avx512 lint bench-check gpu-check clean

demo: $(VENV)/.stamp-demo
	$(BIN)/python Testing/demo.py demo-output

# Three parts and the pass without AVX-512 at once: much of a test is waiting for a child process. Each prints at its end.
test: $(VENV)/.stamp-test
	$(MAKE) --jobs 4 --keep-going --output-sync=target test-part-0 test-part-1 test-part-2 test-without-avx512

test-part-%:
	$(BIN)/python -m pytest -p no:cacheprovider $$(ls Testing/Python/test_*.py | awk 'NR % 3 == $*')

# As most laptops compute, which lack AVX-512; nothing to do where this machine lacks it too.
test-without-avx512:
	@if $(BIN)/python -c '$(HAS_AVX512)'; then \
	    ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -p no:cacheprovider $(PROCESSOR_TESTS); fi

lint: $(VENV)/.stamp-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Not part of `test`: two minutes of one core, and a ratio may tip on a machine unlike the table's.
bench-check: $(VENV)/.stamp-demo
	$(BIN)/python -m GTVAutoSegLib bench check docs/results/benchmarks.json

# For a machine with a CUDA GPU; exit code 2 says that this one has none. Takes the PyTorch of $(PYTHON) if it has one,
# else the one that pip chooses; in an environment of its own, because the one for tests may hold a build for CPUs.
gpu-check: .venv-gpu/.stamp
	.venv-gpu/bin/python -m GTVAutoSegLib bench gpu gpu-check.json

.venv-gpu/.stamp: pyproject.toml
	$(PYTHON) -m venv --system-site-packages .venv-gpu
	.venv-gpu/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[train]'
	touch $@

# A stamp is older than its inputs when dependencies changed; then pip runs again.
$(VENV)/.stamp-%: pyproject.toml $(CONSTRAINTS) | $(VENV)
	@echo "installing what '$*' needs into $(VENV); this takes some minutes, once"
	$(PIP) torch
	$(PIP) --editable '.[$*]'
	touch $@

$(VENV):
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .venv-gpu demo-output gpu-check.json .pytest_cache .ruff_cache .mypy_cache
