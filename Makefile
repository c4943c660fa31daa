# Each target calls plain commands that can be typed by hand; CI calls the same ones. One build profile serves demo, test and CI,
# so that nothing is compiled twice.
.DEFAULT_GOAL := help
.PHONY: help demo test soak fuzz check fmt bench reference test-deps bench-deps

help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## build, then play a morning in a radiology department against real sockets
	cargo run -- --log warn demo

# What the tests build: the product with places to die at (src/fault.rs). The same for all targets but demo, so that nothing is compiled
# twice.
FAULT := --features fault

test: ## everything that CI runs: check, then all tests on SQLite and PostgreSQL with foreign peers
	@scripts/test-deps.sh --check || scripts/test-deps.sh
	@$(MAKE) --no-print-directory check
	@rm -rf target/test-logs
	scripts/test-postgres.sh run cargo test --workspace $(FAULT)
	cargo test --quiet $(FAULT) --test patient_data -- --nocapture
	@$(MAKE) --no-print-directory fuzz
	@scripts/behaviour-rows.sh

MINUTES ?= 10
soak: ## the large form of the fault, flood and order-of-arrival tests (hours; see tests/README.md)
	SOAK=1 scripts/test-postgres.sh run cargo test $(FAULT) --test fault
	SOAK=1 SOAK_MINUTES=$(MINUTES) cargo test $(FAULT) --test dicom_scp --test interop --test flood
	PROPTEST_CASES=20000 cargo test $(FAULT) --lib worklist::
	PROPTEST_CASES=1000000 cargo test --release $(FAULT) --lib -- arrival:: --nocapture

SECONDS ?= 20
TARGETS ?= all
fuzz: ## feed every parser of bytes from outside: SECONDS=20 each (half for inner ones), TARGETS=all
	cargo run --quiet --package relais-fuzz --features relais/fault -- $(TARGETS) --seconds $(SECONDS)

check: ## format, lints and architecture; under a minute when warm
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(FAULT) -- -D warnings
	cargo test --quiet $(FAULT) --test architecture

reference: ## print docs/reference/, docs/schema/ and docs/mapping/errors.md from the code
	@mkdir -p docs/reference docs/schema docs/mapping
	@cargo run --quiet -- reference mapping-errors > docs/mapping/errors.md
	@for page in config errors mapping metrics; do cargo run --quiet -- reference $$page > docs/reference/$$page.md; done
	@cargo run --quiet -- reference schemas docs/schema

fmt: ## format the code
	cargo fmt --all

bench: ## Relais beside its peers and the machine's own limit (release build, a quarter of an hour; needs bench-deps)
	@scripts/bench-deps.sh --check
	cargo bench --bench compare

bench-deps: ## install the peers of the benches (DCMTK, Orthanc, Python and Node peers, strace); not root: print how, exit 3
	@scripts/bench-deps.sh

test-deps: ## install what the tests need (DCMTK, PostgreSQL programs, Python and Node.js peers); not root: print how, exit 3
	@scripts/test-deps.sh
