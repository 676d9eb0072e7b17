# Every target works in a new clone: only Python 3.11 or newer, make and pip are assumed. With a C++ compiler the
# core is compiled; cmake and ninja come with pip where they are missing.

# The first interpreter that runs and is new enough; override with `make test PYTHON=/path/to/python`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

PAGE := demo-report.html
FLIGHTS := $(wildcard examples/flights/*.parquet)
NATIVE := $(wildcard native/*.h native/*.cpp native/*/*.h native/*/*.cpp) native/CMakeLists.txt
SAY_KERNELS := $(BIN)/python -c 'from crossent.kernels import explain; print(explain())'
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help demo test test-faults lint docs bench fuzz sanitize clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.report  ## choose between six models of flight delays and write demo-report.html
	$(BIN)/crossent select $(FLIGHTS) --cluster day --positive late --deep --html $(PAGE)
	@echo "The page is $(abspath $(PAGE))"

# What computes no loss, or only shows one, need not be seen twice; tests/native compares all kernels itself.
NO_KERNELS := advice crossvalidation databases data_layer distributed docs native readers report statistics storage \
	test_benchmarks.py test_project.py test_wording.py \
	$(addprefix torch/test_,huggingface.py modules.py parallel.py plain.py triton.py)

test: $(VENV)/.dev  ## the whole suite, with every extra installed; once without the core
	CROSSENT_KERNELS=reference $(BIN)/python -m pytest -q $(addprefix --ignore=tests/,$(NO_KERNELS))
	$(BIN)/python -m pytest

test-faults: $(VENV)/.dev  ## kills workers, drivers and nodes, changes files, fills disks: the right answer or a clear error
	$(BIN)/python -m pytest -o addopts=--import-mode=importlib -o 'norecursedirs=.*' --durations=5 tests/faults

lint: $(VENV)/.dev  ## ruff (rules and format) and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev  ## the documentation, warnings as errors, in docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation is $(abspath docs/_build/html/index.html)"

bench: $(VENV)/.dev  ## every benchmark; results go to benchmarks/results
	@set -e; for script in $(filter-out benchmarks/common.py benchmarks/peers.py benchmarks/whole_tools.py benchmarks/torch_peers.py benchmarks/huggingface.py benchmarks/cost_model.py benchmarks/simulations.py benchmarks/simulated_sequences.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$script"; $(BIN)/python $$script; done

fuzz: $(VENV)/.dev  ## random shapes, strides, types and values through the core, MINUTES=10
	$(BIN)/python tests/native/fuzz.py --minutes $(MINUTES)

sanitize: $(VENV)/.dev  ## the core under AddressSanitizer, UBSan and ThreadSanitizer
	PYTHON=$(BIN)/python native/tests/sanitize.sh

clean:  ## remove the environment, caches and everything built
	rm -rf $(VENV) $(filter-out docs/losses/index.md,$(wildcard docs/losses/*.md)) docs/_build build dist $(PAGE) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.report: $(VENV)/.made pyproject.toml $(NATIVE)
	$(PIP) -e '.[report]'
	@$(SAY_KERNELS)
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(NATIVE)
	$(PIP) -e '.[report,torch,docs,dev]'
	@$(SAY_KERNELS)
	@touch $@ $(VENV)/.report
