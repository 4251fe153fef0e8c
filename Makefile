# Two commands: `make run` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SECONDS_LONG := 3600

.PHONY: run serve test test-long lint types bench fault janus clean help

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.runtime ## serve on http://127.0.0.1:8080, with a demo interview if the database is empty
	@$(BIN)/greenroom demo

serve: $(VENV)/.runtime ## serve without demo data
	@$(BIN)/greenroom serve

test: $(VENV)/.tests build/loadgen/loadgen lint types ## everything a commit must pass
	$(BIN)/python -m pytest -n 3 --dist loadgroup  # one for each of two browsers, which wait more than they work

test-long: $(VENV)/.tests build/loadgen/loadgen ## what needs real minutes
	timeout $(SECONDS_LONG) $(BIN)/python -m pytest -m long

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.tests
	$(BIN)/mypy
	$(BIN)/node node_modules/typescript/bin/tsc -p tsconfig.json

bench: $(VENV)/.tests build/loadgen/loadgen janus ## CPU and frames per stream, beside Janus and aiortc's MediaRecorder; writes build/bench.json
	$(BIN)/python -m tests.bench

fault: $(VENV)/.tests build/loadgen/loadgen ## loss, kills, garbage and crowds, each with its bound; writes build/fault.json
	$(BIN)/python -m tests.bench.fault

# Only root can lay the cable that Janus is measured over. Debian's package also starts a gateway, which nobody asked for.
janus:
	@command -v janus >/dev/null || [ "$$(id -u)" != 0 ] || { sh tests/install.sh janus && \
	  { ! command -v systemctl >/dev/null || systemctl --quiet disable --now janus || true; }; }

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Greenroom needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || sh tests/install.sh python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tests: pyproject.toml package.json package-lock.json tests/install.sh $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/npm ci --silent
	sh tests/install.sh chromium ffmpeg firefox-esr iproute2
	@# Debian's coturn also starts a server, on our own port and unasked.
	@command -v turnserver >/dev/null || { sh tests/install.sh coturn && \
	  { ! command -v systemctl >/dev/null || systemctl --quiet disable --now coturn || true; }; }
	@touch $@ $(VENV)/.runtime

build/loadgen/loadgen: tests/bench/loadgen/main.go tests/bench/loadgen/path.go tests/bench/loadgen/build.sh
	sh tests/install.sh golang-go golang-github-pion-webrtc.v3-dev ffmpeg
	sh tests/bench/loadgen/build.sh build/loadgen

clean: ## remove what the build made; data/ stays
	rm -rf $(VENV) build node_modules *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
