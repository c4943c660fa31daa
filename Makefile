.DEFAULT_GOAL := help
.PHONY: help test check

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

test: check ## everything that CI runs
	cargo test

check: ## format, lints and architecture, under a minute when warm
	cargo fmt --all --check
	cargo clippy --all-targets -- -D warnings
