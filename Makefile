# m5: `make demo` runs the main job, `make test` runs every test.
#
# The mem- and gc- targets work on PID=… or, without it, on the reference
# engine; DURATION=… says how long, ARGS=… adds words for m5.
SHELL := /bin/bash
export PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
M5 ?= target/release/m5
ON_TARGET := scripts/prepare.sh build engine && $(VENV_PYTHON) scripts/mem.py
WITH := $(if $(PID),--pid $(PID)) $(if $(DURATION),--duration $(DURATION)) $(ARGS)

.PHONY: help demo test test-rust test-python lint fmt build \
	check-arm64 test-arm64 dist binary static deb install book \
	mem-baseline mem-health mem-snapshot gc-profile mem-stress bench-engine clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## A real engine runs, and m5 says from outside how it is doing (DEMO_DURATION=60s)
	@scripts/prepare.sh build engine
	@$(VENV_PYTHON) scripts/demo.py

test: test-rust test-python ## Every test

test-rust:
	@scripts/prepare.sh rust
	$(PYTHON) scripts/run_rust_tests.py

test-python:
	@scripts/prepare.sh dev package
	$(VENV_PYTHON) scripts/run_python_tests.py

lint: ## Formats and lints of Rust and Python
	@scripts/prepare.sh rust dev
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	$(VENV_PYTHON) scripts/check_architecture.py
	$(VENV_PYTHON) -m ruff check
	$(VENV_PYTHON) -m ruff format --check

fmt: ## Format everything
	@scripts/prepare.sh rust dev
	cargo fmt
	$(VENV_PYTHON) -m ruff format

check-arm64: ## The whole workspace, checked for 64-bit Arm
	@scripts/arm64.sh check

test-arm64: ## Live tests on 64-bit Arm, in an emulated machine (three minutes and more)
	@tests/arm64.sh --require

dist: ## dist/: the wheel of m5mem and the program m5, for x86-64 and 64-bit Arm, glibc 2.28 and later
	@scripts/dist.sh

build: ## target/release/m5
	@scripts/prepare.sh build

binary: ## dist/m5, for this system; GLIBC=2.17 links it for all since then (zig)
	@scripts/pack.sh binary $(GLIBC)

static: ## dist/m5 that needs no libc of the system: Alpine, and any glibc
	@scripts/pack.sh static

deb: ## dist/m5_….deb: the program, manual pages, completions, systemd units
	@scripts/pack.sh deb

install: ## The program, manual pages and completions below PREFIX (/usr/local)
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/pack.sh install

book: build ## target/book: the documentation with a page of every command (mdbook)
	@M5=$(M5) scripts/book.sh

mem-baseline: ## Record a baseline (30 min, or DURATION=…) into out/baseline.json
	@$(ON_TARGET) baseline $(WITH)

mem-health: ## One line an objective, and the verdict
	@$(ON_TARGET) health $(WITH)

mem-snapshot: ## What is in memory
	@$(ON_TARGET) snapshot $(WITH)

gc-profile: ## Pauses by generation (5 min, or DURATION=…); GC_OPTIMIZE=1 applies what helps
	@$(ON_TARGET) gc $(if $(filter 1,$(GC_OPTIMIZE)),--optimize) $(WITH)

mem-stress: ## Growth under load (24 h, or DURATION=…), checked every hour; ARGS=--accelerate
	@scripts/prepare.sh build engine
	@$(M5) stress $(if $(PID),-p $(PID),--engine) $(if $(DURATION),--duration $(DURATION)) $(ARGS)

bench-engine: ## The reference engine, naive and optimised, side by side
	@scripts/prepare.sh engine
	$(VENV_PYTHON) bench/engine/run.py $(ARGS)

clean: ## Forget what was built, installed and recorded
	cargo clean
	rm -rf .venv out
