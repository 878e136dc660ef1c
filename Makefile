# What people and CI type. `make demo` and `make test` work in a fresh clone on a fresh machine.
.PHONY: help install demo test check lint types contracts spelling docs docs-check corpus fuzz installs bench bench-tracking compare-mlflow compare-frameworks lock clean
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python

help: ## Show these words
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: ## Set up what the demo and the tests need, and nothing else
	@scripts/install use test

demo: ## From this clone to a served prediction (as root)
	@scripts/install use
	@$(PYTHON) scripts/demo.py

test: ## Install what the tests need and run them all; ARGS="-k name" for some
	@scripts/install use test
	@scripts/test $(ARGS)

check: lint types contracts spelling docs-check ## Formatting, lint, types, import contracts, spelling, generated pages

lint types contracts spelling: .dev
lint:
	@.venv/bin/ruff format --check src tests benchmarks scripts
	@.venv/bin/ruff check src tests benchmarks scripts
types:
	@.venv/bin/mypy
contracts:
	@PYTHONPATH=src .venv/bin/lint-imports
spelling:
	@.venv/bin/codespell README.md CONTRIBUTING.md SECURITY.md SCOPE.md docs src examples

docs: .dev ## Write the pages that are made from the code
	@$(PYTHON) scripts/reference.py

docs-check: .dev
	@$(PYTHON) scripts/reference.py --check

corpus: ## Ask a Docker 26 anew what it makes of tests/corpus; DOCKER="docker" CASES="copy-link …"
	@DOCKER="$(or $(DOCKER),docker)" $(PYTHON) tests/corpus/record.py $(CASES)

fuzz: ## Feed the Dockerfile parser, word expansion and .dockerignore with nonsense, SECONDS=600 for each
	@scripts/install use
	@test -x .cache/fuzz/venv/bin/python || (.venv/bin/uv venv -q .cache/fuzz/venv && .venv/bin/uv pip install -q --python .cache/fuzz/venv/bin/python atheris==3.0.0)
	@for target in dockerfile words dockerignore; do PYTHONPATH=src .cache/fuzz/venv/bin/python tests/fuzz/targets.py $$target --seconds $(or $(SECONDS),600) --corpus .cache/fuzz || exit 1; done

installs: ## Compare installs of large real packages with what pip itself makes (as root, minutes)
	@scripts/install use test
	@TEUL_CORPUS=wide $(PYTHON) -m pytest tests/integration/test_install_corpus.py $(ARGS) </dev/null

bench: ## Measure against Docker and Podman and write docs/benchmarks.md (as root, an hour)
	@scripts/install use
	@$(PYTHON) benchmarks/bench.py --write

bench-tracking: ## Measure the tracking server against MLflow's and write docs/benchmarks-tracking.md
	@scripts/install use test
	@$(PYTHON) benchmarks/tracking.py --write

compare-mlflow: ## Ask real MLflow servers and ours the same, and write their answers down for the tests
	@scripts/install use test
	@$(PYTHON) tests/integration/mlflow_client/servers.py $(ARGS)

compare-frameworks: ## Train with five frameworks against real MLflow servers and ours (downloads 2 GB)
	@scripts/install use test
	@$(PYTHON) tests/integration/mlflow_client/servers.py --frameworks $(ARGS)

lock: .dev ## Resolve requirements/*.txt anew from pyproject.toml
	@scripts/lock $(ARGS)

.PHONY: .dev
.dev:
	@scripts/install use test dev

clean: ## Remove .venv and caches (not the state of teul)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
