# Two commands: `make serve` runs the gateway, `make test` proves it. docs/development.md says more.
# Needs make and Python 3.11 or newer with venv; `make bench` a C compiler as well.
# OPENCLAW_PYTHON=/path/to/python chooses the interpreter.

VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL = $(PIP) --no-build-isolation --config-settings editable_mode=compat --editable

.PHONY: serve test lint trial e2e fuzz audit bench drill soak clients docs clean
.NOTPARALLEL:

# Runs the gateway in the foreground: first time with an embedded model and a new configuration.
serve: $(VENV)/serve
	@$(BIN)/openclaw-tx setup --yes --if-missing >/dev/null
	@$(BIN)/python -c "$$TRY"
	@exec $(BIN)/twistd --nodaemon --pidfile= openclaw

define TRY
import os
from openclaw_tx.config.load import load, port
found = load(os.environ)
print(f"""
Try it from another terminal:

  curl http://127.0.0.1:{port(found.config, found.environment)}/v1/chat/completions \\
    -H "Authorization: Bearer $$($(CURDIR)/$(BIN)/openclaw-tx token)" -H "Content-Type: application/json" \\
    -d '{{"model": "openclaw", "messages": [{{"role": "user", "content": "Hello"}}]}}'
""", flush=True)
endef
export TRY

# Everything that must pass. The last lines are pytest's summary.
test: lint trial e2e

lint: $(VENV)/test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

# Unit tests, in memory. `make trial T=tests.runs` runs one room.
T = tests
trial: $(VENV)/test
	@$(BIN)/python -m twisted.trial --reporter=text $(T)

# Real sockets and processes on loopback.
e2e: $(VENV)/test
	@$(BIN)/python -m pytest --quiet tests/e2e

# What strangers send, made up anew in every run, TIMES as much of it as in `make test`. With atheris in $(VENV) (`make
# $(VENV)/atheris`), readers are then led by what they have not done yet, for SECONDS.
TIMES = 50
SECONDS = 300
FUZZED = tests.fuzz tests.ws.test_fuzz tests.runs.test_outbox tests.wire tests.config
fuzz: $(VENV)/test
	@OPENCLAW_FUZZ=$(TIMES) $(BIN)/python -m twisted.trial --reporter=text $(FUZZED)
	@OPENCLAW_FUZZ=$(TIMES) $(BIN)/python -m pytest --quiet tests/e2e/test_openapi.py
	@if [ -e $(VENV)/atheris ]; then $(BIN)/python -m tests.fuzz.led $(SECONDS); fi

# Known vulnerabilities of what is installed; without a network, a line that says so.
audit: $(VENV)/audit
	@$(BIN)/python -m tests.support.dependencies

# `make bench ARGS=--quick` takes a minute instead of eight.
bench: $(VENV)/test
	@$(BIN)/python -m bench $(ARGS)

# What a crash, a full disk, too many requests do: docs/reliability.md. `make drill ARGS="--only kill,disk"` plays two.
drill: $(VENV)/test
	@$(BIN)/python -m bench.drills $(ARGS)

# Half an hour of clients that come and go, and what is left of them. `make soak ARGS="--minutes 3"`
soak: $(VENV)/test
	@$(BIN)/python -m bench.drills.soak $(ARGS)

# Clients that people use, each in an environment of its own: openai, LangChain, Vercel AI SDK ... Takes minutes the first time.
clients: $(VENV)/test
	@$(BIN)/python -m tests.e2e.clients $(ARGS)

# What the next release will say of itself.
docs: $(VENV)/docs
	@$(BIN)/towncrier build --draft

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis _trial_temp*
	rm -rf .clients bench/out bench/stub bench/load bench/watch twisted/plugins/dropin.cache

# Files under $(VENV) named like a target say that what it needs is installed.

$(VENV)/made:
	@set -eu; \
	if [ -n "$${OPENCLAW_PYTHON:-}" ]; then set -- "$$OPENCLAW_PYTHON"; \
	else set -- python3 python3.14 python3.13 python3.12 python3.11; fi; \
	for python; do \
	    if "$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        rm -rf $(VENV); \
	        "$$python" -m venv $(VENV); \
	        $(PIP) 'setuptools>=77' wheel; \
	        touch $@; \
	        exit 0; \
	    fi; \
	done; \
	echo "Needs Python 3.11 or newer with venv and ensurepip (Debian: apt install python3-venv)." >&2; \
	echo "Tried: $$*. Name another one: make OPENCLAW_PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/serve: $(VENV)/made setup.cfg
	@echo "Installing into $(VENV) ..."
	@$(INSTALL) '.[local]'
	@$(BIN)/openclaw-tx models install || echo "Going on without the embedded model; to try again: $(BIN)/openclaw-tx models install"
	@touch $@

$(VENV)/test: $(VENV)/made setup.cfg
	@echo "Installing into $(VENV) ..."
	@$(INSTALL) '.[test]'
	@touch $@

$(VENV)/audit: $(VENV)/test
	@$(INSTALL) '.[audit]' && touch $@ || echo "Going on without pip-audit, which can not be installed here."

$(VENV)/atheris: $(VENV)/test
	@$(INSTALL) '.[fuzz]'
	@touch $@

$(VENV)/docs: $(VENV)/made setup.cfg
	@$(INSTALL) '.[docs]'
	@touch $@
