# The verbs of this project. `make serve` and `make test` are all a newcomer needs.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
ARTIFACTS := artifacts/TopicalPageRank.tar.gz artifacts/DocSim.tar.gz

ONLY ?=

.PHONY: help serve train test bench check format lock clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: $(RUNTIME) $(ARTIFACTS) ## run the endpoint on the shipped artifacts (MME_PORT, MME_STORE, ...)
	@exec $(BIN)/python serve.py

train: $(RUNTIME) ## train the models switched on in models/models_to_be_trained.json
	@$(BIN)/mme train

test: $(DEV) $(ARTIFACTS) ## run the tests
	@$(BIN)/python -m pytest

bench: $(DEV) $(ARTIFACTS) ## measure, against stock MMS, and write benchmarks/README.md (ONLY="cold memory")
	@$(BIN)/python -m benchmarks $(ONLY)

check: $(DEV) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV) ## let ruff rewrite what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## resolve requirements/*.in into the hashed locks (needs uv on PATH)
	@for name in runtime dev; do \
	  uv pip compile --quiet --upgrade --no-header --no-emit-index-url --python-version 3.11 \
	    --generate-hashes requirements/$$name.in -o requirements/$$name.lock; done

clean: ## forget the environment and caches (artifacts stay)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info build

$(ARTIFACTS) &: | $(RUNTIME)
	@$(BIN)/mme train

$(VENV)/pyvenv.cfg:
	@PYTHON="$(PYTHON)" ./requirements/make-venv $(VENV)

$(RUNTIME): requirements/runtime.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "installing the locked packages into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements/dev.lock $(RUNTIME)
	@echo "installing what tests and checks need on top"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@
