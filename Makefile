# Two commands matter: `make run` and `make test`. Everything installs into .venv from requirements.lock.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed
TERRITORY := territory
LANDING := $(TERRITORY)/landing
HOME_DIR := $(TERRITORY)/home
PERSONS ?= 48000
EFFECT ?= strong
SEED ?= 1
RELEASE ?= 2024-06

.PHONY: help setup run test test-fast ui lint lock clean

help:  ## what each command does
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@echo "== setting up .venv from requirements.lock (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed") if not (3, 11) <= sys.version_info < (3, 14) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-compile --require-hashes \
	    -r requirements.lock \
	    | { grep --line-buffered -oE '^(Collecting [^ ]+|Installing)' || true; }
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP)  ## make .venv

$(TERRITORY)/truth.json: | $(STAMP)
	@echo "== simulating a territory of $(PERSONS) insured persons, true effect: $(EFFECT)"
	@$(BIN)/pdp simulate --landing $(LANDING) --persons $(PERSONS) --seed $(SEED) --effect $(EFFECT)

run: $(STAMP)  ## simulate a territory, make a release from it, audit it
	@{ $(BIN)/python -c "import dagster, great_expectations, presidio_analyzer"; $(BIN)/python -m pipeline.compiled; } &
	@$(MAKE) --no-print-directory $(TERRITORY)/truth.json
	@echo "== making release $(RELEASE)"
	@$(BIN)/pdp run --landing $(LANDING) --home $(HOME_DIR) --release $(RELEASE)
	@echo "== auditing it from its own files"
	@$(BIN)/pdp audit $(HOME_DIR)/published/release=$(RELEASE)
	@echo
	@echo "Where to look:"
	@echo "  synthesis (French)   $(HOME_DIR)/published/latest/synthese.html"
	@echo "  audit                $(HOME_DIR)/published/latest/audit.html"
	@echo "  every table          $(HOME_DIR)/published/latest/impact.duckdb"
	@echo "  the true effects     $(TERRITORY)/truth.json"
	@echo "  notebook             $(BIN)/marimo edit notebooks/headline.py"
	@echo "  the graph            make ui"

test: $(STAMP)  ## the whole test suite
	@$(BIN)/python -m pytest -n auto --dist loadfile --durations=10

test-fast: $(STAMP)  ## without the long tests: a few minutes
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

ui: $(STAMP)  ## the Dagster UI on the simulated territory
	@$(BIN)/pdp ui --home $(HOME_DIR) --landing $(LANDING)

lint: $(STAMP)  ## style, types, borders
	@echo "== ruff"; $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== mypy"; $(BIN)/mypy
	@echo "== borders"; PYTHONPATH=. $(BIN)/lint-imports --no-cache

lock: $(STAMP)  ## resolve requirements.lock anew from pyproject.toml
	@$(BIN)/pip-compile --generate-hashes --no-emit-options --no-header \
	    --no-annotate --no-strip-extras --allow-unsafe --all-extras --output-file requirements.lock pyproject.toml

clean:  ## remove .venv, caches and the simulated territory
	rm -rf .venv $(TERRITORY) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find pipeline assets checks tests notebooks benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
