# Everything starts here: `make run` serves, `make test` tests. Each sets itself up first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

SOURCES := contract app worker launch training bench safelight tests

.PHONY: run setup test faults soak check fix bench lock clean help

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: setup  ## start the store, the API and a worker; Ctrl-C stops them
	@exec $(BIN)/python -m launch

setup: $(VENV)/run.stamp  ## make the environment that `make run` needs

test: $(VENV)/dev.stamp  ## run every test that needs no GPU
	@status=0; \
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not alone and not faults_full" || status=1; \
	$(BIN)/python -m pytest -m "alone and not faults_full" || status=1; \
	exit $$status

faults: $(VENV)/dev.stamp  ## kill every process at every moment, and count what is lost or there twice
	$(BIN)/python -m pytest tests/faults -m ""

MINUTES ?= 10

soak: $(VENV)/dev.stamp  ## load and kills for MINUTES=10; what is held must be as before in the end
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES)

check: $(VENV)/dev.stamp  ## lint, types, architecture; writes nothing
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy contract app worker launch training bench safelight
	$(BIN)/lint-imports

fix: $(VENV)/dev.stamp  ## format, and mend what can be mended by rule
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/dev.stamp  ## measure what the README promises
	@status=0; \
	for what in "engine --out var/bench" encoding service waiting \
      "guidance --out var/bench" "editing --out var/bench" trace; do \
	  $(BIN)/python -W ignore -m bench.$$what || status=1; \
	done; \
	exit $$status

lock: $(VENV)/lock.stamp  ## resolve the dependencies anew into requirements/
	$(VENV)/lock/bin/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra app -o requirements/app.txt pyproject.toml
	$(VENV)/lock/bin/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra worker -c requirements/app.txt -o requirements/worker.txt pyproject.toml
	$(VENV)/lock/bin/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --extra tracing -c requirements/app.txt -c requirements/worker.txt -o requirements/tracing.txt pyproject.toml
	$(VENV)/lock/bin/pip-compile -q --strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate --allow-unsafe \
	  --extra app --extra worker --extra embedded --extra tracing --extra dev \
	  -c requirements/app.txt -c requirements/worker.txt -o requirements/dev.txt pyproject.toml
	sed -i -E -e 's/^(torch==[0-9.]+)\+cpu/\1/' \
	  -e 's/^(isal==[0-9.]+)$$/\1 ; platform_machine in "x86_64 AMD64 aarch64 arm64"/' requirements/*.txt

clean:  ## remove the environment and the caches; var/ with the jobs and pictures stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Safelight needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/app.txt requirements/worker.txt requirements/embedded.txt requirements/without-dependencies.txt | $(BIN)/python
	@echo "Installing what the service needs into $(VENV) (once; torch makes it some hundred megabytes) …"
	$(PIP) -r requirements/app.txt -r requirements/worker.txt -r requirements/embedded.txt
	$(PIP) --no-deps -r requirements/without-dependencies.txt
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(PIP) -r requirements/dev.txt
	@touch $@

$(VENV)/lock.stamp: | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet pip-tools==7.6.2
	@touch $@
