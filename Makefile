.PHONY: help setup up demo check docs clients test faults bench clean clean-world format
PY := .venv/bin/python
T ?= tests
# Compiled once, the processes of a world start faster, of which the tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
# Several workers a core: the tests wait for other processes most of the time. A file stays on one.
WORKERS ?= 4
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Those that take longest first, so that no worker is left alone with one of them in the end.
LONGEST := tests/faults tests/e2e tests/integration
OTHERS := $(filter-out $(LONGEST) tests/support tests/__pycache__,$(patsubst %/,%,$(wildcard tests/*/)))
KIND ?= infograph
NODE_DONE := clients/typescript/node_modules/.done

##@ Use it
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.done ## Make .venv with locked dependencies and the darkroom command

demo: .venv/.done ## From nothing to a finished job, every event of it (KIND=infograph, character or funnel)
	@.venv/bin/darkroom demo --kind $(KIND)

up: .venv/.done ## The whole world at http://127.0.0.1:8000 until Ctrl-C
	@.venv/bin/darkroom up

##@ Work on it
check: .venv/.done $(NODE_DONE) ## Lint, types, architecture, documents
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(PY) -m pytest -q tests/architecture tests/clients/test_typescript_types.py

test: .venv/.done $(NODE_DONE) ## Every test, the end-to-end ones on both databases (T=path aims at some)
ifeq ($(T),tests)
	$(PY) -m pytest -q $(PARALLEL) $(LONGEST) $(OTHERS)
	WORLDS_ON=postgresql $(PY) -m pytest -q $(PARALLEL) tests/e2e
else
	$(PY) -m pytest -q $(T)
endif

faults: .venv/.done ## The long fault runs, with a table of results (some twenty minutes)
	$(PY) -m tests.faults

bench: .venv/.done ## The benchmark: one table, written to bench/RESULTS.md
	$(PY) -m bench

docs: .venv/.done ## Write docs/reference and the clients' generated parts anew
	$(PY) -m tests.support.references
	$(PY) -m tests.support.python_client

clients: .venv/.done $(NODE_DONE) ## Write the clients' types anew, from the OpenAPI document
	@$(PY) -m tests.support.typescript

format: .venv/.done ## Format and fix what can be fixed
	.venv/bin/ruff check --fix-only -q .
	.venv/bin/ruff format -q .

clean: ## Remove what the targets made; the world in .darkroom stays
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
	rm -rf clients/typescript/node_modules clients/typescript/dist
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis

clean-world: ## Delete the world in .darkroom for ever: log, key, pictures (asks first)
	@test -d .darkroom || { echo "there is no .darkroom"; exit 1; }
	@python3 -c 'import fcntl; fcntl.flock(open(".darkroom/lock", "a"), fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null || { echo "a world is running there: stop it first"; exit 4; }
	@echo "This deletes $(CURDIR)/.darkroom: the log of all jobs and credits, the master key that"
	@echo "reads them, every stored picture, all tokens. Nothing brings them back."
	@printf "Type the word delete to go on: "; read answer; test "$$answer" = delete
	rm -rf .darkroom

.venv/.done: requirements/dev.txt pyproject.toml
	@python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "python3 has no venv: install it (on Debian: apt-get install python3-venv)"; exit 1; }
	@echo "setting up .venv (about a minute) …"
	@python3 -m venv .venv
	@.venv/bin/pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@.venv/bin/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/.done

$(NODE_DONE): .venv/.done clients/typescript/package-lock.json
	@$(PY) -m tests.support.node
