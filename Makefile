# The two commands are `make demo` and `make test`. Everything they build or install lies under target/.

SHELL := /bin/bash
# A phase that pipes its output fails with its first command.
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test phases long chaos broken cluster lint fmt

PYTHON := target/clients/venv/bin/python
BUF := target/clients/buf/node_modules/.bin/buf
PHASES := target/phases.tsv
# The API from four worlds, each against a server of its own.
CLIENTS := $(PYTHON) tests/clients/python_client.py && node tests/clients/node_client.mjs && \
	tests/clients/buf_client.sh && node tests/clients/browser_client.mjs

# The checkout stays clean: what Python compiles goes under target/ as well.
export PYTHONPYCACHEPREFIX := $(CURDIR)/target/clients/pycache

# One profile for everything: the C build of SQLite and every build script then run once, clippy's and rustdoc's
# dependencies are checked once, and the tests link what `make demo` has built.
CARGO_FLAGS := --release --locked

# $(call phase,NAME,COMMAND): says what runs, runs it, and keeps how long it took for the table at the end.
define phase
@echo; echo '==> $(1): $(2)'; \
started=$$(date +%s); status=0; { $(2); } || status=$$?; \
printf '%s\t%s\t%s\t%s\n' '$(1)' $$(($$(date +%s) - started)) $$status '$(2)' >>$(PHASES); exit $$status
endef

help: ## These lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A morning of a service desk in a minute, on the embedded store
	cargo run $(CARGO_FLAGS) -- demo

test: ## Every test; installs what is missing under target/ first (NO_INSTALL=1: fails instead)
	@mkdir -p target; rm -f $(PHASES); status=0; \
	$(MAKE) --no-print-directory phases || status=$$?; \
	echo; echo '==> what ran'; \
	awk -F '\t' '{ printf "%-14s %5d s  %-6s %s\n", $$1, $$2, $$3 ? "FAILED" : "ok", $$4; sum += $$2 } \
		END { printf "%-14s %5d s\n", "total", sum }' $(PHASES); \
	exit $$status

phases:
	$(call phase,prerequisites,scripts/prerequisites.sh)
	$(call phase,format,cargo fmt --check)
	$(call phase,protos,$(BUF) lint)
	$(call phase,clippy,cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings)
	$(call phase,docs,RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --no-deps)
	$(call phase,tests,cargo test $(CARGO_FLAGS))
	$(call phase,smoke,$(PYTHON) tests/clients/smoke.py)
	$(call phase,clients,$(CLIENTS))
	$(call phase,tour,examples/tour.sh >/dev/null)
	$(call phase,demo,target/release/handoff demo | tail -40)
	$(call phase,kill-loop,$(PYTHON) tests/clients/kill_loop.py --kills 10 --client-kills 10)
	$(call phase,mistakes,$(PYTHON) tests/clients/broken_builds.py --plant)
	$(call phase,chaos,$(PYTHON) tests/clients/chaos.py --faults 12 --agents 100 --seconds-between 0.3 1 --seed 1 --limit 150)
	$(call phase,memory,$(PYTHON) tests/clients/silent_subscriber.py)

# Each run begins elsewhere; a failure prints the command that repeats it.
LONG := HANDOFF_PURE_CASES=3000 HANDOFF_DIFFERENTIAL_STEPS=400000 HANDOFF_REDIS_STEPS=1000000 HANDOFF_SIMULATION_SEEDS=100000 HANDOFF_RACES=10000 \
	HANDOFF_ORACLE_TICKETS=5000000 HANDOFF_MODEL_STATES=3000000

long: ## The long modes of the pure, differential, race, simulation, oracle and model tests: hours
	$(LONG) cargo test $(CARGO_FLAGS) --test all -- --nocapture --test-threads 1 \
		pure::sequences differential:: end_to_end::races simulation:: oracles:: model::runs::larger

FAULTS ?= 300
REDIS ?= plain
REPLICAS ?= 3
LIMIT ?= 1800

chaos: ## Breaks three replicas, PostgreSQL and Redis under load: FAULTS=300 REDIS=plain|aof|cluster REPLICAS=3 SEED=7 LIMIT=1800 JSON=FILE
	scripts/prerequisites.sh
	cargo build $(CARGO_FLAGS)
	$(PYTHON) tests/clients/chaos.py --faults $(FAULTS) --redis $(REDIS) --replicas $(REPLICAS) --limit $(LIMIT) \
		$(if $(SEED),--seed $(SEED)) $(if $(JSON),--json $(JSON))

broken: ## Compiles the service with one mistake at a time, which a run under chaos must find: minutes for each
	scripts/prerequisites.sh
	$(PYTHON) tests/clients/broken_builds.py

cluster: ## PostgreSQL, Redis and three replicas from local binaries, to try things on: REPLICAS=3 REDIS=plain|aof|cluster
	scripts/prerequisites.sh
	cargo build $(CARGO_FLAGS)
	$(PYTHON) tests/clients/cluster.py --replicas $(REPLICAS) --redis $(REDIS)

lint: ## Formatting, clippy, rustdoc, buf and the house rules, without the other tests
	scripts/prerequisites.sh
	cargo fmt --check
	$(BUF) lint
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(CARGO_FLAGS) --no-deps
	cargo test $(CARGO_FLAGS) --test all tidy::

fmt: ## Formats the Rust sources
	cargo fmt
