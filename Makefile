# The Python that builds .venv; 3.11 to 3.13 can also run the demo's local model.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NODE_STAMP := node_modules/.installed
BUNDLE := ai_assistant/public/dist/standalone/ai_assistant.bundle.js
SCRIPTS := $(shell find ai_assistant/public/js ai_assistant/public/css -type f)
NPM := $(shell command -v npm)

# So that a pipe fails where its first command does.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help setup page pot demo serve test test-browser test-clients test-open-responses test-vscode test-bench bench soak soak-hour lint lock audit clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## build .venv with all that the project needs

# The versions and hashes of requirements.lock, and nothing that is not in it: the same packages each time.
$(STAMP): pyproject.toml requirements.lock ai_assistant/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: $(PYTHON) is older than Python 3.11; name another: make PYTHON=python3.12"; exit 1; }
	@echo "→ building $(VENV) (a minute or two, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock \
		| awk '/^Collecting/ {printf "\r\033[K  %d packages, now %s", ++n, $$2} \
			/^Installing/ {printf "\r\033[K  %d packages, installing them", n} {fflush()} END {print ""}' \
		|| { echo "make: the packages could not be installed; pip says why above"; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	@$(BIN)/python -m pip check
	@touch $@
	@echo "→ $(VENV) is ready"

ifdef NPM
page: $(BUNDLE) ## bundle the script of the page /ai-assistant; the others do it by themselves

$(NODE_STAMP): package.json
	@echo "→ installing the packages of the page"
	@npm install --silent || { echo "make: the page's packages could not be installed; npm says why above"; exit 1; }
	@touch $@

$(BUNDLE): $(NODE_STAMP) $(SCRIPTS)
	@npm run --silent bundle
	@touch $@
else
page:
	@echo "make: npm is not here: the page /ai-assistant is not bundled, and its scripts are not tested."
	@echo "      All else works; with Node 20 and npm, make again."
endif

# The page is an extra here: where it cannot be had, the reason is said and the rest goes on.
demo: $(STAMP) ## watch a real local model think and answer
	-@$(MAKE) --silent --no-print-directory page
	@$(BIN)/ai-assistant chat "Write a short story about a lighthouse keeper and a whale."
	@echo "→ In a browser: make serve, then http://127.0.0.1:8000/ai-assistant"

serve: $(STAMP) ## start the standalone site on port 8000
	-@$(MAKE) --silent --no-print-directory page
	@$(BIN)/ai-assistant serve

# Three processes on two cores: many tests wait for a process that starts.
test: $(STAMP) page ## the whole suite, except what needs a browser, other programs or a bench
	@$(BIN)/python -m pytest -n 3 --dist loadfile

test-browser: $(STAMP) page ## the page in a real Chromium, which is installed where it is missing
	@tests/browser/setup.sh
	@AI_ASSISTANT_BROWSER=1 $(BIN)/python -m pytest tests/browser

test-vscode: $(STAMP) page ## a real VS Code in Chromium, whose native Chat asks the site; installed where it is missing
	@tests/vscode/setup.sh
	@AI_ASSISTANT_VSCODE=1 $(BIN)/python -m pytest tests/vscode
	@echo "→ Screenshots are in build/vscode"

test-clients: $(STAMP) ## SDKs, Codex, Claude Code, Continue, aider and llm ask the site, or a bench: BENCH=folder SITE=name [URL=…]; the newest of each are installed in build/clients
	@tests/clients/setup.sh
ifdef BENCH
	@$(BIN)/python -m tests.bench_site --clients $(BENCH) $(SITE) $(if $(URL),--url $(URL)) $(if $(SOCKETIO_URL),--socketio-url $(SOCKETIO_URL))
else
	@AI_ASSISTANT_CLIENTS=1 $(BIN)/python -m pytest tests/clients
endif

test-open-responses: $(STAMP) ## Open Responses' compliance suite asks the site: SUITE=folder, your checkout of it; or a bench: BENCH=folder SITE=name [URL=…]
	@[ -e "$(SUITE)/bin/compliance-test.ts" ] \
		|| { echo "make: name a checkout of Open Responses' public repository, which has the suite: git clone https://github.com/openresponses/openresponses, then SUITE=openresponses"; exit 1; }
	@$(MAKE) --silent --no-print-directory build/open-responses/.installed
ifdef BENCH
	@$(BIN)/python -m tests.bench_site --open-responses $(abspath $(SUITE)) $(BENCH) $(SITE) $(if $(URL),--url $(URL)) $(if $(SOCKETIO_URL),--socketio-url $(SOCKETIO_URL))
else
	@AI_ASSISTANT_OPEN_RESPONSES=$(abspath $(SUITE)) $(BIN)/python -m pytest tests/clients/test_open_responses.py
endif

# The program that the suite is written for, and the one package that it imports, in the version of its package.json.
build/open-responses/.installed:
	@echo "→ installing Bun in build/open-responses"
	@mkdir -p build/open-responses
	@echo '{"private": true}' > build/open-responses/package.json
	@cd build/open-responses && npm install --silent --no-audit --no-fund bun 'zod@^3.25.76'
	@touch $@

test-bench: $(STAMP) page ## the app on a Frappe bench that stands: BENCH=folder SITE=name [URL=… SOCKETIO_URL=…]
	@$(if $(NPM),tests/browser/setup.sh)
	@$(BIN)/python -m tests.bench_site $(BENCH) $(SITE) $(if $(URL),--url $(URL)) $(if $(SOCKETIO_URL),--socketio-url $(SOCKETIO_URL))

bench: $(STAMP) build/proxy/.installed build/peers/.installed ## measure, and write docs/performance.md; Frappe benches too: BENCH="folder …" SITE="name …" [URL="… …" SOCKETIO_URL="… …"]
	@$(BIN)/python -m tests.bench $(if $(BENCH),--bench $(BENCH) --site $(SITE)) $(if $(URL),--url $(URL)) $(if $(SOCKETIO_URL),--socketio-url $(SOCKETIO_URL))

soak: $(STAMP) ## ten minutes of an agent before a provider that fails all the time; on a Frappe bench: BENCH=folder SITE=name
	@$(BIN)/python -m tests.soak $(BENCH) $(SITE)

soak-hour: $(STAMP) ## an hour of requests in the background, in real time; on a Frappe bench: BENCH=folder SITE=name
	@$(BIN)/python -m tests.soak.hour $(BENCH) $(SITE)

# What the project is measured against, apart from its own packages: the newest of each.
build/proxy/.installed:
	@echo "→ building build/proxy, litellm's proxy (a minute or two, once)"
	@$(PYTHON) -m venv build/proxy
	@build/proxy/bin/python -m pip install --disable-pip-version-check -q 'litellm[proxy]'
	@touch $@

# Newer releases of @hono/node-server give Portkey's gateway responses whose headers it cannot change.
build/peers/.installed:
	@mkdir -p build/peers
	@echo '{"private": true, "dependencies": {"@portkey-ai/gateway": "*"}, "overrides": {"@hono/node-server": "1.13.8"}}' > build/peers/package.json
	@$(if $(NPM),cd build/peers && npm install --silent --no-audit --no-fund,echo "make: npm is not here: Portkey's gateway is not measured.")
	@touch $@

lint: $(STAMP) page ## ruff, mypy and tsc
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(if $(NPM),npm run --silent check)

pot: $(STAMP) ## write ai_assistant/locale anew from the source, and list what is not translated yet
	@$(BIN)/python -m tests.languages

# For every Python and platform that the demo runs on, without the host that the packages came from.
lock: build/lock/.installed ## write requirements.lock anew from pyproject.toml
	@build/lock/bin/uv pip compile -q --universal --python-version 3.11 --upgrade --generate-hashes --no-annotate \
		--no-header --extra standalone --extra test pyproject.toml -o requirements.lock

build/lock/.installed:
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --disable-pip-version-check -q 'uv<1'
	@touch $@

audit: build/audit/.installed ## look requirements.lock up among the known vulnerabilities (asks PyPI)
	@build/audit/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock \
		|| { echo "make: not audited, or something was found; pip-audit says which above. It asks PyPI's JSON API:"; \
			echo "      a package 'not found on PyPI' means that this cannot be reached from here, and says nothing of the package."; exit 1; }

build/audit/.installed:
	@$(PYTHON) -m venv build/audit
	@build/audit/bin/python -m pip install --disable-pip-version-check -q 'pip-audit~=2.9'
	@touch $@

clean: ## remove .venv and caches
	rm -rf $(VENV) node_modules tests/browser/node_modules ai_assistant/public/dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
