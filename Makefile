PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGE := pyproject.toml hatch_build.py
# Don't name a package index here: pip's own settings decide where packages come from.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run install develop wheel browser test check format lock bench scale soak connections conformance screenshots clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: $(VENV)/demo ## Install what's needed and start the console with a demo community
	@exec $(BIN)/laurel start --demo

install: $(VENV)/installed ## Install the console into .venv, with pinned packages

develop: $(VENV)/developed ## Also install the tools for tests and checks

# Each install writes its stamp file last, so an interrupted one is repeated.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Laurel needs Python 3.11 or newer. Say which to use: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/built: requirements-build.txt | $(BIN)/python
	$(INSTALL) --require-hashes --only-binary :all: -r requirements-build.txt
	@touch $@

$(VENV)/locked: requirements.txt $(VENV)/built
	$(INSTALL) --require-hashes --no-build-isolation -r requirements.txt
	@touch $@

$(VENV)/installed: $(PACKAGE) $(VENV)/locked
	$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/demo: requirements-demo.txt $(VENV)/installed
	$(INSTALL) --require-hashes --no-build-isolation -r requirements-demo.txt
	@touch $@

$(VENV)/developed: requirements-dev.txt $(VENV)/installed
	$(INSTALL) --require-hashes --no-build-isolation -r requirements-dev.txt
	@touch $@

wheel: install ## Build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel

browser: ## Install Chromium for the browser tests, if it's missing
	@tools/browser

# More processes than cores, because many tests mostly wait for other processes.
PARALLEL := -n 5
# Tests start hundreds of processes, so keep the compiled source (the environment may say otherwise).
test check soak connections: export PYTHONDONTWRITEBYTECODE =

test: develop browser ## Run all tests
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: develop browser ## Run everything that a change must pass: lint, format, types, import contracts, tests
	@tools/check
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

format: develop ## Format the source
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

lock: develop ## Update the pinned versions from pyproject.toml (ARGS=--upgrade for the newest)
	@tools/lock $(ARGS)

bench: develop ## Run the benchmarks and print the results
	@$(BIN)/python -m bench $(ARGS)

scale: develop ## Measure ten million awards, many workers and 50 managers (AWARDS=100000 SECONDS=10 for a small run)
	@$(BIN)/python -m bench.scale $(and $(AWARDS),--awards $(AWARDS)) $(and $(SECONDS),--seconds $(SECONDS)) \
	  $(and $(DATA),--data $(DATA)) $(ARGS)

soak: develop browser ## Run the long fault tests
	@$(BIN)/python -m pytest -m soak $(ARGS)

connections: develop ## Run the tests with a real WordPress, and print what they measured (installs PHP if it's missing)
	@tools/php
	@$(BIN)/python -m pytest -m connections -s $(ARGS)

conformance: develop $(VENV)/conformance/installed ## Verify credentials with independent software (needs Node 20.15 or newer)
	@$(BIN)/python -m tests.conformance $(VENV)/conformance

# As with pip: npm's own settings decide where packages come from; the lock has only their hashes.
$(VENV)/conformance/installed: tests/conformance/package-lock.json
	@mkdir -p $(VENV)/conformance
	cp tests/conformance/package.json tests/conformance/package-lock.json $(VENV)/conformance
	npm ci --prefix $(VENV)/conformance --ignore-scripts --no-audit --no-fund --silent
	@touch $@

screenshots: develop browser ## Retake the screenshots in the guides
	@$(BIN)/python tools/screenshots

clean: ## Remove installed and generated files; keep the data
	rm -rf $(VENV) static/vendor build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
