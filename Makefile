# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo`, `make test`.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run push test lint chaos bench docs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One file per requirements file, so that a changed pin installs again and nothing else does.
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-dev
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on
DEV := DJANGO_DEBUG=1

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/python:
	@echo "==> Creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	@echo "==> Installing the runtime packages (about a minute, once)"
	@$(PIP) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements.txt requirements-dev.txt | $(BIN)/python
	@echo "==> Installing the development packages (a minute or two, once)"
	@$(PIP) -r requirements-dev.txt
	@touch $@ $(RUNTIME)

setup: $(RUNTIME) ## Create the environment

setup-dev: $(DEVELOPMENT) ## Create the environment with the development tools

demo: $(RUNTIME) ## Watch one M-Pesa payment from settings to receipt, then stop
	@$(DEV) $(BIN)/python manage.py demo

run: $(RUNTIME) ## Web, worker and sandbox together, until Ctrl-C
	@$(DEV) $(BIN)/python manage.py demo --stay

push: $(RUNTIME) ## While `make run` is up: make push phone=0712345678 amount=1000 reference=INV001
	@set -a; . .demo/run.env; set +a; $(BIN)/python manage.py push_payment $(phone) $(amount) $(reference)

test: $(DEVELOPMENT) ## Run the test suite (SQLite and LocMem unless DATABASE_URL, REDIS_URL say else)
	@$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

lint: $(DEVELOPMENT) ## Formatting, lint, types, import directions, migrations, schema
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(DEV) $(BIN)/python manage.py makemigrations --check --dry-run
	@$(DEV) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

chaos: $(DEVELOPMENT) ## Kill workers at random points, many times over
	@CHAOS_FULL=1 $(BIN)/python -m pytest tests/chaos $(PYTEST_ARGS)

bench: $(DEVELOPMENT) ## Print the figures, as ratios to a floor measured in the same run
	@$(BIN)/python -m benchmarks

docs: $(DEVELOPMENT) ## Build the documentation into site/
	@$(BIN)/mkdocs build --strict

clean: ## Remove the environment and what the demo left
	@rm -rf $(VENV) .demo site
