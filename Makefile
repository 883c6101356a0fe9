# Headwater. `make` alone lists what can be made.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench clean lock engine clients browser java postgresql environments

PORT ?= 8000
PYTHON ?= $(shell command -v python3.11 || command -v python3)
ARGS ?=

help: ## list the targets
	@echo "Headwater hosts open language models and shows where their words come from."
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: .venv/.installed ## install, start everything, train the demo's models, open the page (PORT=8000)
	@exec .venv/bin/python manage.py demo --port $(PORT) $(ARGS)

test: .venv/.installed-dev engine clients browser java postgresql ## whatever the tests need, then all of them (ARGS="-k name")
	@exec .venv/bin/python -m pytest $(ARGS)

lint: .venv/.installed-dev ## ruff, mypy, djade and the migrations check
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	git ls-files --cached --others --exclude-standard '*.html' | xargs -r .venv/bin/djade --check --target-version 5.2
	deploy/check-migrations

bench: .venv/.installed-dev engine clients ## measure, and print the figures with their date and machine
	.venv/bin/python -m benchmarks $(ARGS)

clean: ## remove the environments and caches; var/ stays unless CLEAN_DATA=1
	rm -rf .venv .venv-engine .venv-clients .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ "$(CLEAN_DATA)" = 1 ]; then echo "Removing var/: checkpoints, chats, keys."; rm -rf var; \
	 else echo "Kept var/ (checkpoints, chats, keys). CLEAN_DATA=1 removes it too."; fi

environments: .venv/.installed-dev engine clients ## install every environment and nothing else

lock: .venv/.installed-dev ## pin every dependency anew, from pyproject.toml
	deploy/lock

# A stamp is written last, so an install that was interrupted is done again; one that pip was in the
# middle of is not trusted and starts from an empty directory.
.venv/.installed: requirements/headwater.lock
	@deploy/check-python $(PYTHON)
	@if [ -e .venv/.installing ]; then echo "The last install was interrupted: starting it afresh."; rm -rf .venv; fi
	$(PYTHON) -m venv .venv
	@touch .venv/.installing
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@mv .venv/.installing $@ && touch $@

.venv/.installed-dev: requirements/headwater-dev.lock | .venv/.installed
	@touch .venv/.installing
	.venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@mv .venv/.installing $@ && touch $@

engine: .venv-engine/.installed

clients: .venv-clients/.installed

.venv-clients/.installed: requirements/clients.lock
	rm -rf .venv-clients
	$(PYTHON) -m venv .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv-engine/.installed: requirements/engine-cpu.lock requirements/engine-gpu.txt requirements/engine-transformers.lock
	@deploy/check-python $(PYTHON)
	@deploy/install-engine $(PYTHON)

browser:
	@deploy/install-browser

java:
	@deploy/install-java

postgresql:
	@deploy/install-postgresql
