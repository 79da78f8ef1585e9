# One command each. `make demo` and `make test` do their own set-up; what a fresh machine needs stands in README.md.
# Every step says what it does and is quick when nothing changed.

SHELL := /bin/sh
PYTHON := out/venv/bin/python
.DEFAULT_GOAL := help
.NOTPARALLEL:

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: venv
venv: ## the pinned development environment, in out/venv
	@sh build/environment.sh

.PHONY: compile
compile: venv ## the compiled form of the package, in out/compiled
	@$(PYTHON) build/compile.py

.PHONY: bundle
bundle: compile ## the layer: dist/layer/ and dist/thimble-<arch>.zip
	@$(PYTHON) build/bundle.py

.PHONY: demo
demo: bundle ## a local Lambda runs a sample function beside the frozen extension
	@PYTHONPATH=src $(PYTHON) -m thimble.cli demo

.PHONY: clients
clients: ## packages of the tests' clients in other languages, where those languages are installed
	@sh build/clients.sh

.PHONY: test
test: bundle clients ## the whole suite: pure, compiled, then the frozen bundle
	@$(PYTHON) tests/run.py

.PHONY: test-pure
test-pure: venv clients ## the suite on the interpreted form alone
	@$(PYTHON) tests/run.py pure

.PHONY: test-compiled
test-compiled: compile clients ## the suite on the compiled form alone
	@$(PYTHON) tests/run.py compiled

.PHONY: test-bundle
test-bundle: bundle clients ## the black-box tests of the frozen bundle alone
	@$(PYTHON) tests/run.py bundle

.PHONY: lint
lint: venv ## style and types
	@echo "lint: ruff check" && out/venv/bin/ruff check .
	@echo "lint: ruff format" && out/venv/bin/ruff format --check --quiet . || { echo "lint: run 'make fmt'"; exit 1; }
	@echo "lint: mypy (strict)" && out/venv/bin/mypy -p thimble

.PHONY: fmt
fmt: venv ## format the sources in place
	@out/venv/bin/ruff check --fix --quiet . ; out/venv/bin/ruff format .

.PHONY: bench
bench: bundle ## every figure, as a table
	@$(PYTHON) bench/run.py

.PHONY: gates
gates: bundle ## the steady figures against bench/budgets.toml
	@$(PYTHON) bench/run.py --gates

.PHONY: clean
clean: ## remove everything generated, the environment too
	rm -rf out dist
