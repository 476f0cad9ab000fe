# make help says what there is. Everything runs in .venv, which the first target sets up.

PYTHON   ?= python3
BIN      := .venv/bin
STAMPS   := .stamps
PYTEST   := $(BIN)/python -m pytest --no-skips
PARALLEL := -n 2 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-train test-all bench lint clean
.DELETE_ON_ERROR:

help:
	@echo "make demo        the whole job on real recordings, from a trained network to a bitstream"
	@echo "make test        the tests that need no PyTorch and no minutes of their own"
	@echo "make test-train  the training tests; installs PyTorch for CPUs"
	@echo "make test-all    everything, the slow ones too"
	@echo "make bench       measurements, each beside what it is compared to (PyTorch too); writes docs/bench.md"
	@echo "make lint        style"
	@echo "make setup       only what the others do first: .venv and system packages"
	@echo "make clean       remove .venv and everything made"

setup: $(STAMPS)/test

demo: $(STAMPS)/test
	@$(BIN)/ternloom demo --output demo

test: $(STAMPS)/test
	$(PYTEST) $(PARALLEL) -m "not slow and not train"

test-train: $(STAMPS)/train
	$(PYTEST) -m train

test-all: $(STAMPS)/train
	$(PYTEST) $(PARALLEL)

bench: $(STAMPS)/train
	$(BIN)/python bench/run.py
	$(BIN)/python bench/demo.py

lint: $(STAMPS)/test
	$(BIN)/ruff check .

clean:
	rm -rf .venv $(STAMPS) demo out build dist *.egg-info .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/system: .ci/system
	@PYTHON="$(PYTHON)" .ci/system
	@mkdir -p $(STAMPS)
	@touch $@

$(BIN)/python: $(STAMPS)/system
	@echo "ternloom: making the virtual environment .venv"
	@$(PYTHON) -m venv --clear .venv
	@touch $@

$(STAMPS)/test: $(BIN)/python pyproject.toml
	@.ci/packages $(BIN)/python --editable ".[test]"
	@touch $@

$(STAMPS)/train: $(STAMPS)/test
	@.ci/packages $(BIN)/python --editable ".[test,train,kernels]"
	@touch $@
