PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGE := pyproject.toml hatch_build.py
# No script of ours writes a registry's name: the installer's own settings decide.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run install develop wheel browser test check format lock bench soak screenshots clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

run: $(VENV)/demo ## Install what is needed and start the console with its demo community
	@exec $(BIN)/laurel start --demo

install: $(VENV)/installed ## Install the console into .venv, pinned and checked

develop: $(VENV)/developed ## Install the tools for tests and checks as well

# pip keeps nothing half: each stamp is written last, so an interrupted install is made again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 …" >&2; exit 1; }
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

browser: ## Install Chromium, where it is missing and may be installed
	@tools/browser

# More workers than cores: tests that start processes wait for them much of the time.
SIDE_BY_SIDE := -n 4
# Tests start hundreds of processes: compile the source once.
test check soak: export PYTHONDONTWRITEBYTECODE =

test: develop browser ## Run all tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

check: develop browser ## Lint, format, types, import contracts, then all tests
	@tools/check
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

format: develop ## Put the source into its form
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

lock: develop ## Renew the pinned versions from pyproject.toml (ARGS=--upgrade for newer ones)
	@tools/lock $(ARGS)

bench: develop ## Print the benchmark table
	@$(BIN)/python -m bench $(ARGS)

soak: develop browser ## The long fault runs
	@$(BIN)/python -m pytest -m soak $(ARGS)

screenshots: develop browser ## Take the pictures of the guides again
	@$(BIN)/python tools/screenshots

clean: ## Remove what make and the tools made; the data stays
	rm -rf $(VENV) static/vendor build dist .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
