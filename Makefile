# `make demo` and `make test` do all their set-up: they need Python 3.11 or newer and a Rust toolchain.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYO3_PYTHON := $(abspath $(BIN)/python)

.DEFAULT_GOAL := help
.PHONY: help demo test rust python lint fuzz bench docs pictures format clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/built ## Sample lake -> bars -> backtest, with throughput and peak memory
	$(BIN)/python -m examples.demo

test: rust $(VENV)/built lint python ## Build, then every check and test, Rust and Python

rust: $(VENV)/ready
	cargo fmt --check
	cargo test --locked --no-default-features
	$(PYTHON) scripts/coverage.py --fail-under 90 || test $$? = 2 # 2: there are no llvm tools, which it says
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	cargo clippy --locked --lib -- -D warnings

lint: $(VENV)/built
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m rangebar_polars.stubs --mypy build/stubs
	$(BIN)/mypy
	$(BIN)/mypy docs/*.py
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/pyright
	$(BIN)/python -m mypy.stubtest rangebar_polars._internal

python: $(VENV)/built
	$(BIN)/pytest --cov --cov-report=term

fuzz: $(VENV)/ready ## Each fuzz target for a minute, or for SECONDS=10 (needs a C++ compiler)
	$(BIN)/python scripts/fuzz.py --seconds $(or $(SECONDS),60)

bench: $(VENV)/built ## Benchmarks beside their floors (seconds a case; see benches/README.md)
	$(BIN)/pytest benches --codspeed

docs: $(VENV)/built ## The site of the documentation, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

pictures: $(VENV)/built ## The pictures of the documentation
	$(BIN)/python docs/pictures.py

format: $(VENV)/ready ## Format Rust and Python
	cargo fmt
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the environment and what was built
	rm -rf $(VENV) target rangebar_polars/*.so

$(VENV)/ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

$(VENV)/built: $(VENV)/ready Cargo.toml Cargo.lock $(shell find src -name '*.rs')
	$(BIN)/maturin develop --release --locked
	touch $@
