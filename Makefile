# The Python that builds .venv; 3.11 to 3.13 can also run the demo's local model.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# So that a pipe fails where its first command does.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-bench bench lint clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## build .venv with all that the project needs

$(STAMP): pyproject.toml ai_assistant/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: $(PYTHON) is older than Python 3.11; name another: make PYTHON=python3.12"; exit 1; }
	@echo "→ building $(VENV) (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[standalone,test]' \
		| awk '/^Collecting/ {printf "\r\033[K  %d packages, now %s", ++n, $$2} \
			/^Installing/ {printf "\r\033[K  %d packages, installing them", n} {fflush()} END {print ""}' \
		|| { echo "make: the packages could not be installed; pip says why above"; exit 1; }
	@$(BIN)/python -m pip check
	@touch $@
	@echo "→ $(VENV) is ready"

demo: $(STAMP) ## watch a real local model think and answer
	@$(BIN)/ai-assistant chat "Write a short story about a lighthouse keeper and a whale."

serve: $(STAMP) ## start the standalone site on port 8000
	@$(BIN)/ai-assistant serve

test: $(STAMP) ## the whole suite
	@$(BIN)/python -m pytest

test-bench: $(STAMP) ## the app on a Frappe bench that stands: BENCH=folder SITE=name [URL=… SOCKETIO_URL=…]
	@$(BIN)/python tests/bench_site.py $(BENCH) $(SITE) $(if $(URL),--url $(URL)) $(if $(SOCKETIO_URL),--socketio-url $(SOCKETIO_URL))

bench: $(STAMP) build/proxy/.installed ## measure, and write docs/performance.md
	@$(BIN)/python -m tests.bench

# What the project is measured against, apart from its own packages. Newer FastAPIs lack what this proxy imports.
build/proxy/.installed:
	@echo "→ building build/proxy, litellm's proxy (a minute or two, once)"
	@$(PYTHON) -m venv build/proxy
	@build/proxy/bin/python -m pip install --disable-pip-version-check -q 'litellm[proxy]==1.97.*' 'fastapi<0.125'
	@touch $@

lint: $(STAMP) ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
