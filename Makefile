# `make demo` and `make test` do all their set-up: they need Python 3.11 or newer and a Rust toolchain.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYO3_PYTHON := $(abspath $(BIN)/python)

.DEFAULT_GOAL := help
.PHONY: help demo test rust python lint fuzz bench docs pictures format clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# A day of real trades, where there is one beside the clone.
REAL := $(wildcard ../shared/data/binance_spot_btcusdt_aggtrades_20240101/raw/*.zip)

demo: $(VENV)/built ## Venue -> lake -> bars -> chart -> backtest on one machine, with throughput and peak memory
	$(BIN)/python -m rangebar_polars.demo $(if $(REAL),--real $(REAL))

test: rust $(VENV)/built lint python ## Build, then every check and test, Rust and Python

rust: $(VENV)/ready
	cargo fmt --check
	cargo test --locked --no-default-features
	cargo test --locked --no-default-features --lib --profile checked
	$(PYTHON) .ci/coverage.py --fail-under 90 || test $$? = 2 # 2: there are no llvm tools, which it says
	cargo clippy --locked --all-targets --no-default-features -- -D warnings

# What maturin sets: with the same profile and these, clippy finds Polars built, and only checks it.
SIGNATURE = import struct, sys; print("cpython-{}.{}-{}bit".format(*sys.version_info[:2], 8 * struct.calcsize("P")))

lint: $(VENV)/built
	config=$$(ls $(CURDIR)/target/maturin/pyo3-config-*.txt 2>/dev/null | head -1); \
	test -z "$$config" || export PYO3_BUILD_EXTENSION_MODULE=1 PYO3_CONFIG_FILE="$$config" \
		PYO3_ENVIRONMENT_SIGNATURE="$$($(BIN)/python -c '$(SIGNATURE)')" PYTHON_SYS_EXECUTABLE=$(PYO3_PYTHON); \
	cargo clippy --locked --release --lib -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m rangebar_polars.stubs --mypy build/stubs
	$(BIN)/python -m rangebar_polars.stubs build/typings
	$(BIN)/mypy
	$(BIN)/mypy docs/*.py
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m mypy.stubtest rangebar_polars._internal

python: $(VENV)/built
	$(BIN)/pytest -m "not serial" --numprocesses logical --maxprocesses 8 --dist worksteal --cov --cov-report= --cov-fail-under 0
	$(BIN)/pytest -m serial tests --cov --cov-append --cov-report=term

fuzz: $(VENV)/ready ## Each fuzz target for a minute, or for SECONDS=10 (needs a C++ compiler)
	$(BIN)/python .ci/fuzz.py --seconds $(or $(SECONDS),60)

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
