# Everything runs in a virtual environment of its own, .venv, which each target makes if it is not there.
VENV   := .venv
PYTHON := python3
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
WORKERS := 2

.DEFAULT_GOAL := help
.PHONY: help setup demo quick check test test-complete test-oldest coverage test-gpu verify verify-quick mutants bench docs notebooks concept clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## make the virtual environment, with uv if it is there, else with venv and pip

$(READY): pyproject.toml
	@echo "Setting up $(VENV): downloads PyTorch the first time, which takes some minutes."
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing $(VENV) && uv pip install --quiet --python $(BIN)/python --editable . --group dev; \
	else \
		$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --upgrade "pip>=25.1" && \
		$(BIN)/python -m pip install --quiet --editable . --group dev; \
	fi
	@touch $(READY)

demo: $(READY)  ## compare built-in and handmade parts on real digits, and say where the report is
	OMP_NUM_THREADS=1 $(BIN)/conceptlab compare experiment=digits_cnn

quick: $(READY)  ## the tests of the inner loop, in two minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow and not gpu and not complete"

check: $(READY)  ## format, lint, types, and the rules of the architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

test: $(READY)  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not gpu and not complete"

test-complete: $(READY)  ## what make test has a sample of: the checks on all of torch's own, on every defect; an hour and more
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) -m complete

test-oldest:  ## all tests with the oldest versions that pyproject.toml claims
	$(MAKE) test VENV=.venv-oldest READY=.venv-oldest/.oldest

.venv-oldest/.oldest: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.venv-oldest/bin/python -m pip install --quiet --editable . --group dev --constraint oldest.txt
	@touch $@

# Compiled code is not traced, and the others that are left out repeat calls of these: they would show nothing more.
coverage: $(READY)  ## whether the tests of the concepts reach all lines and branches of the tier files
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) -m "not gpu" \
		-k "not (compiled or purity or pure or gradcheck or gradgradcheck or func_grad or flat_memory or saved_memory or no_graph_kept or reference)" \
		--cov=conceptlab.concepts --cov-branch --cov-report= \
		tests/test_functions.py tests/test_classes.py tests/test_definitions.py tests/concepts
	$(BIN)/python -m coverage report --show-missing --skip-covered --omit="*/samples.py,*/laws.py" --fail-under=100

mutants: $(READY)  ## whether the checks notice what is changed in handmade code; ARGS="softmax --seed 1"
	OMP_NUM_THREADS=1 $(BIN)/python -m conceptlab.verify.mutants --jobs $(WORKERS) $(ARGS)

test-gpu: $(READY)  ## what is only simulated elsewhere, on CUDA
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m gpu tests/test_gpu.py

verify: $(READY)  ## verify all parts in all tiers, in half an hour, and write docs/conformance.md
	OMP_NUM_THREADS=1 $(BIN)/conceptlab verify --workers $(WORKERS) --markdown docs/conformance.md

verify-quick: $(READY)  ## the same in three minutes: a draw of the parts, some checks, some samples
	OMP_NUM_THREADS=1 $(BIN)/conceptlab verify --workers $(WORKERS) --quick --sample 40

bench: $(READY)  ## measure every part against torch's own; ARGS="conv2d --threads 2"
	$(BIN)/conceptlab bench $(ARGS)

docs: $(READY)  ## write again what is generated: the stubs, the table of parts, what is missing
	$(BIN)/python -m conceptlab.stubs
	$(BIN)/python -m conceptlab.catalog
	$(BIN)/python -m conceptlab.missing

notebooks: $(READY)  ## run the notebooks, from the first cell to the last
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/test_notebooks.py

concept: $(READY)  ## the folder of a new concept, for you to fill in; name=softshrink
	$(BIN)/python -m conceptlab.scaffold $(name)
	$(BIN)/ruff format --quiet conceptlab/concepts/$(name)

clean:  ## remove what was made here: environments, caches, runs
	rm -rf .venv .venv-oldest build dist outputs multirun runs htmlcov .coverage .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
