# make run    the whole system on this machine, with a cast of demo people
# make test   everything the tests need, then all tests
# make speed  the benchmarks, as a table; SPEED_ARGS="--only peak" for one of them, --quick for a look
# make lint   what is said about the code without running it
# make lock   the pinned requirements, anew
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One more than there are cores: tests wait for disks, browsers and other servers.
PYTEST_ARGS ?= -n $(shell expr $$(nproc) + 1) --dist worksteal
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CODE := server mail_gateway webchat storage tests hatch_build.py

.PHONY: run test speed lint lock debian clean
.DELETE_ON_ERROR:

run: $(VENV)/run.stamp
	$(BIN)/pli demo

test: debian $(VENV)/dev.stamp $(VENV)/node.stamp
	$(BIN)/python -m pytest $(PYTEST_ARGS)

speed: debian $(VENV)/dev.stamp
	$(BIN)/python -m tests.speed $(SPEED_ARGS)

lint: $(VENV)/dev.stamp $(VENV)/node.stamp
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	node_modules/.bin/tsc --project webchat/jsconfig.json

# One set of versions for every Linux and Python we support; hashes, and no word of where the files were fetched from.
# `make lock LOCK_ARGS+=--upgrade` takes what is new.
LOCK_ARGS := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --no-emit-package pli

lock: $(VENV)/dev.stamp
	$(BIN)/uv pip compile $(LOCK_ARGS) --extra fast --extra postgres --extra redis -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile $(LOCK_ARGS) --all-extras -c requirements.txt -o requirements-dev.txt pyproject.toml
	npm install --package-lock-only

debian:
	@sh tests/setup.sh

# The stamps make a second run quick. The dev stamp covers the run stamp: its requirements are a superset.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Pli needs Python 3.11 or later: make PYTHON=/where/it/is/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/setup.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt pyproject.toml package-lock.json hatch_build.py | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements.txt
	$(PIP_INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt pyproject.toml package-lock.json hatch_build.py | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements-dev.txt
	$(PIP_INSTALL) --no-deps --editable .
	@touch $@ $(VENV)/run.stamp

$(VENV)/node.stamp: package-lock.json .npmrc | $(BIN)/python
	@command -v npm >/dev/null || sh tests/setup.sh npm
	npm ci --ignore-scripts --loglevel=error
	@touch $@

clean:
	rm -rf $(VENV) node_modules webchat/static/vendor dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
