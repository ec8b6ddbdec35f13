# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo`, `make test`.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo run push test lint chaos bench docs clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One file per requirements file, so that a changed pin installs again and nothing else does.
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-dev
BENCH := .venv-bench
COMPARISON := $(BENCH)/.installed
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

# The other products stay out of the environment that this one is built and tested in.
$(COMPARISON): requirements.txt requirements-dev.txt requirements-bench.txt
	@echo "==> Creating $(BENCH) with the products to compare with (two minutes, once)"
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --disable-pip-version-check --progress-bar on \
		-r requirements-bench.txt
	@touch $@

setup: $(RUNTIME) ## Create the environment

setup-dev: $(DEVELOPMENT) ## Create the environment with the development tools

demo: $(RUNTIME) ## Watch payments in and out and an invoice signed by KRA, then stop
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

# Receivers, resolvers and addresses that mean harm: full size is a matter of their bounds.
HOSTILE := $(addprefix tests/webhooks/test_,courier_faults.py courier_guard.py courier_tls.py \
	classify.py schedule.py)

# Every boundary of every field of the API.
BOUNDARIES := tests/api/test_schema_conformance.py

chaos: $(DEVELOPMENT) ## Break whole installations on purpose, at full size (CHAOS_SEED repeats a run)
	@CHAOS_FULL=1 $(BIN)/python -m pytest tests/chaos $(HOSTILE) $(BOUNDARIES) -s $(PYTEST_ARGS)

bench: $(COMPARISON) ## Print the figures, as ratios to floors and to other products in the same run
	@$(BENCH)/bin/python -m benchmarks

docs: $(DEVELOPMENT) ## Build the documentation into site/
	@$(DEV) $(BIN)/python manage.py make_reference
	@$(BIN)/mkdocs build --strict

clean: ## Remove the environment and what the demo left
	@rm -rf $(VENV) $(BENCH) .demo site
