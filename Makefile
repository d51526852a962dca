# Everything runs in .venv, made from the locked requirements. `make` alone prints the targets.
# PYTHON: which interpreter makes .venv (3.11 or newer).   ARGS: passed on, as in make demo ARGS="--members 1000".

PYTHON ?= python3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python
MANAGE := $(RUN) manage.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

DEMO_READY := $(VENV)/.demo-ready
DEV_READY := $(VENV)/.dev-ready

.DEFAULT_GOAL := help
.PHONY: help demo doctor pictures plots test test-browser test-faults mutation-proof check check-format check-lint check-types check-layers \
	check-migrations check-deploy check-templates check-openapi openapi bench fmt lock clean

help: ## Print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 18

demo: $(DEMO_READY) ## Everything on this machine, from nothing (ARGS="--once", "--members 1000", ...)
	@exec $(MANAGE) demo $(ARGS)

doctor: $(DEMO_READY) ## What works on this machine and what does not
	@$(MANAGE) doctor

# The long ones (browsers, kills, races by the thousand) wait for CI, or for CI=true make test. Tests run side by side,
# on servers of their own; those that kill real processes and look at the clock come after, alone.
NOT_SLOW := $(if $(CI),, and not slow)
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadscope

test: $(DEV_READY) ## Every test but the long ones, on servers of its own (CI=true: all; ARGS="tests/api -k events")
ifdef ARGS
	$(VENV)/bin/pytest -m "not nothing$(NOT_SLOW)" $(ARGS)
else
	$(VENV)/bin/pytest -m "not faults$(NOT_SLOW)" $(SIDE_BY_SIDE)
	$(VENV)/bin/pytest -m "faults$(NOT_SLOW)"
endif

test-faults: $(DEV_READY) ## Only the tests that kill real processes (ARGS="--minutes 20 --kills 300")
	$(VENV)/bin/pytest -m faults $(ARGS)

pictures: $(DEV_READY) ## Take the guide's pictures anew, from the running demo
	GUIDE_PICTURES=$(CURDIR)/docs/pictures $(VENV)/bin/pytest tests/browser/test_journey.py $(ARGS)

plots: $(DEMO_READY) ## Draw docs/growth.svg from docs/growth.json (manage.py bench growth --json docs/growth.json)
	$(RUN) -m apps.simulation.bench.plots docs/growth.json docs/growth.svg

test-browser: $(DEV_READY) ## Only the tests that drive a browser
	$(VENV)/bin/pytest tests/browser $(ARGS)

CHECKS := format lint types layers migrations deploy templates openapi

check: $(CHECKS:%=check-%) ## Format, lint, types, layers, migrations, deployment, templates, OpenAPI
	@echo "All checks passed"

check-format: $(DEV_READY)
	@echo "== format"
	@$(VENV)/bin/ruff format --check .

check-lint: $(DEV_READY)
	@echo "== lint"
	@$(VENV)/bin/ruff check .

check-types: $(DEV_READY)
	@echo "== types"
	@$(VENV)/bin/mypy apps raya_recs

check-layers: $(DEV_READY)
	@echo "== import layers"
	@$(VENV)/bin/lint-imports

# These three need no database: makemigrations only warns when it can't ask one about its history.
check-migrations: $(DEV_READY)
	@echo "== missing migrations"
	@$(RUN) -W ignore manage.py makemigrations --check --dry-run

PRODUCTION := env DJANGO_SETTINGS_MODULE=raya_recs.settings.production ALLOWED_HOSTS=example.org EMAIL_URL=smtp://localhost \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ

check-deploy: $(DEV_READY)
	@echo "== production settings"
	@for process in api admin; do \
		RAYA_RECS_PROCESS=$$process $(PRODUCTION) $(MANAGE) check --deploy --fail-level WARNING || exit 1; done

check-templates: $(DEV_READY)
	@echo "== templates"
	@$(MANAGE) check_templates

check-openapi: $(DEV_READY)
	@echo "== OpenAPI"
	@$(MANAGE) check_openapi

openapi: $(DEV_READY) ## Write docs/openapi.yaml from the code
	$(MANAGE) spectacular --file docs/openapi.yaml --validate --fail-on-warn

mutation-proof: $(DEV_READY) ## Break each guard on purpose and show that its test turns red
	$(RUN) -m tests.mutation_proof $(ARGS)

bench: $(DEMO_READY) ## Measure the serve path on this machine, on a market of its own (ARGS="--members 50000")
	$(MANAGE) bench serving $(ARGS)

fmt: $(DEV_READY) ## Format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix --select I .

lock: $(DEV_READY) ## Lock the requirements anew (needs the package index)
	cd requirements && for part in base demo tracing s3 dev; do \
		../$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --custom-compile-command "make lock" $(ARGS) -o $$part.txt $$part.in || exit 1; done

clean: ## Remove what running made: var/, caches, .venv
	@for data in var/postgres var/bench/*/postgres; do \
		if [ -L "$$data" ]; then rm -rf "$$(dirname "$$(readlink "$$data")")"; fi; done
	rm -rf var $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make a second run instant, and possible without network.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(DEMO_READY): requirements/demo.txt | $(VENV)/bin/python
	@echo "Installing what the demo needs"
	@$(RUN) -m pip install --quiet --require-hashes --no-deps -r requirements/demo.txt
	@touch $@

$(DEV_READY): requirements/dev.txt $(DEMO_READY)
	@echo "Installing what tests and checks need"
	@$(RUN) -m pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
	@touch $@
