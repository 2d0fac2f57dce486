# Two commands: `make demo` shows the main job, `make test` runs every test.
# Both set up what they need; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test fresh matrix fuzz mutation bench check format
help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## make .venv with the program and what its tests need
$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## the main job, on the built-in token service
	$(BIN)/python -m examples.demo

test: $(STAMP) ## every test, with a real ejabberd
	$(BIN)/python -m tests.install_packages
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal

fresh: $(STAMP) ## `make demo` and `make test` on each new Debian (root, debootstrap)
	$(BIN)/python -m tests.fresh

matrix: $(STAMP) ## the e2e tests on each ejabberd that Debian has (root, debootstrap)
	$(BIN)/python -m tests.matrix

fuzz: $(STAMP) ## a minute of any bytes at the protocol
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	@mkdir -p .cache/fuzz
	$(BIN)/python fuzz/fuzz_protocol.py -max_total_time=60 -artifact_prefix=.cache/ .cache/fuzz

mutation: $(STAMP) ## mutants of what decides and answers; half an hour; see docs/testing.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutation]'
	$(BIN)/mutmut run

check: $(STAMP) ## ruff, mypy and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## beside a floor and what one would write, into docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m tests.install_packages
	$(BIN)/python -m benchmarks

format: $(STAMP) ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
