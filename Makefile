# The project's commands; `make` alone lists them.

VENV ?= .venv
PY = $(VENV)/bin/python
HOST ?= 127.0.0.1
PORT ?= 8000
ARGS ?=
# Tests run on two processors at a time, the tests of one file on one; WORKERS=0 takes them singly.
WORKERS ?= 2
# Rounds of each fault under load.
FAULT_ROUNDS ?= 3
SOAK_SECONDS ?= 600
# The long files come first (tests/conftest.py), not those with the most tests.
PYTEST = $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
export PORT
# Tests start hundreds of processes: none should compile again what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-run demo run run-cluster test test-services test-faults test-rounds soak lint bench mutants docs

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: ## prepare only: .venv with everything that runs and tests
	@scripts/setup $(VENV) requirements-dev.txt

setup-run:
	@scripts/setup $(VENV) requirements.txt requirements-dev.txt

demo: setup-run ## the server with a simulated trader, on 127.0.0.1:8000 (PORT=8001 make demo)
	@exec $(PY) -m project.demo

run: setup-run ## the server alone, on 127.0.0.1:8000 (HOST=, PORT=)
	@$(PY) manage.py migrate --noinput --verbosity 0
	@$(PY) manage.py collectstatic --noinput --verbosity 0
	@exec $(PY) -m realtime.daphne -b $(HOST) -p $(PORT) project.asgi:application

run-cluster: setup-run ## PostgreSQL, Redis, two servers and a trader behind nginx, on 127.0.0.1:8000 (PORT=)
	@exec $(PY) -m project.cluster

test: setup ## every test that needs no service (ARGS="-k name")
	@env -u DATABASE_URL -u REDIS_URL -u REQUIRE_ALL $(PYTEST) -m "not cluster" $(ARGS)

test-services: setup ## the same tests and those that need PostgreSQL and Redis (DATABASE_URL=, REDIS_URL=); a skip fails
	@DATABASE_URL="$${DATABASE_URL:-postgres://postgres@127.0.0.1:5432/postgres}" \
	REDIS_URL="$${REDIS_URL:-redis://127.0.0.1:6379/0}" \
	REQUIRE_ALL=1 $(PYTEST) -m "not cluster" $(ARGS)

test-faults: setup ## kill, freeze and cut under load (FAULT_ROUNDS=, PROOF=file for the record)
	@FAULT_ROUNDS=$(FAULT_ROUNDS) $(PY) -m pytest -m cluster tests/faults tests/soak $(ARGS)

soak: setup ## churn, slow clients and faults for minutes; nothing may grow (SOAK_SECONDS=, PROOF=file)
	@SOAK_SECONDS=$(SOAK_SECONDS) $(PY) -m tests.soak

test-rounds: setup ## many rounds of the other tests that kill and cut
	@env -u REQUIRE_ALL KILL_ROUNDS=20 STATEFUL_EXAMPLES=200 $(PYTEST) -m faults $(ARGS)

lint: setup ## ruff, mypy, import-linter
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

bench: setup ## measure: latency, throughput, memory
	@$(PY) -m benchmarks $(ARGS)

mutants: setup ## break each promise in a copy; its tests must notice
	@$(PY) -m tests.mutants $(ARGS)

docs: setup-run ## write docs/settings.md from the declarations
	@$(PY) -m project.environment > docs/settings.md
	@echo docs/settings.md
