# `make demo` shows what the program does, `make test` runs all tests. Both install what they need.
# `make help` lists all targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Without bytecode, each program that a test or a measurement starts would compile its source.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test dist deb deb-test lowest fresh matrix storm soak containers fuzz mutation bench check format recipes
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## create .venv with the program and the dependencies of its tests
$(STAMP): pyproject.toml
	@echo 'pip installs the program and the Python packages of its tests into $(VENV)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## show what the program does, with the example token service
	$(BIN)/python -m examples.demo

test: $(STAMP) ## run all tests, with a real ejabberd; as root, install what they need
	$(BIN)/python -m tests.install_packages
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal

dist: $(STAMP) ## build the wheel and the source distribution into dist/
	$(BIN)/python -m hatchling build

deb: ## build the Debian package for this release into dist/; as root, install what that needs
	/usr/bin/python3 debian/tools/build.py

deb-test: $(STAMP) ## install, use, upgrade and purge the package on new Debian releases (root)
	$(BIN)/python -m tests.deb

LOWEST := .cache/lowest
lowest: $(STAMP) ## run the tests without ejabberd on the lowest versions of the dependencies
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,lowest]'
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/uv pip compile --quiet --resolution lowest-direct --extra htpasswd --extra jwt \
		--extra signals pyproject.toml --output-file $(LOWEST)/constraints.txt
	$(BIN)/uv pip install --quiet --python $(LOWEST) \
		--constraints $(LOWEST)/constraints.txt --editable '.[dev]'
	$(LOWEST)/bin/python -m pytest --numprocesses 2 -m 'not e2e'

fresh: $(STAMP) ## run `make demo` and `make test` on new Debian releases (root, debootstrap)
	$(BIN)/python -m tests.fresh

matrix: $(STAMP) ## run the end-to-end tests with each ejabberd of Debian (root, debootstrap)
	$(BIN)/python -m tests.matrix

storm: $(STAMP) ## 5,000 events of identity providers, with kills; about ten minutes
	$(BIN)/python -m tests.install_packages
	STORM_EVENTS=5000 $(BIN)/python -m pytest -q -s tests/e2e/test_signals_storm.py

MINUTES := 60
soak: $(STAMP) ## log in for an hour with a fault every 20 s (MINUTES=60; root)
	$(BIN)/python -m tests.install_packages
	$(BIN)/python -m tests.soak $(MINUTES)

containers: $(STAMP) ## build and run the images of examples/container (root, buildah, debootstrap)
	$(BIN)/python -m tests.containers

recipes: $(STAMP) ## run the tests of docs/recipes.md, with Synapse (about 500 MB) as well
	$(BIN)/python -m tests.install_packages
	$(PYTHON) -m venv .cache/synapse
	.cache/synapse/bin/python -m pip install --quiet --disable-pip-version-check matrix-synapse
	$(BIN)/python -m pytest tests/recipes

fuzz: $(STAMP) ## fuzz the protocol for one minute
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	@mkdir -p .cache/fuzz
	$(BIN)/python fuzz/fuzz_protocol.py -max_total_time=60 -artifact_prefix=.cache/ .cache/fuzz

mutation: $(STAMP) ## mutation tests; about an hour, see docs/testing.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,mutation]'
	$(BIN)/mutmut run

check: $(STAMP) ## run ruff, mypy and import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## measure, and write the results into docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m tests.install_packages
	$(BIN)/python -m benchmarks

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
