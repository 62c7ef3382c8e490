# The only way in: `make run` and `make test` do everything on a fresh machine.
SHELL := /bin/bash
CARGO ?= cargo
export CARGO_TERM_COLOR ?= auto
# Requests that `make fuzz` makes up for an operation and a caller.
EXAMPLES ?= 100
# The binary, and all that tests it, of the same pieces.
EVERYTHING = $(CARGO) build --workspace --all-targets
# What writes settings and OpenAPI documents.
DOCUMENTED = $(CARGO) test --workspace --lib --bins --quiet -- document

.PHONY: help run demo build test scenario previous lint fmt docs drawings servers fuzzer fuzz client audit bench

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

run: ## build quickly and serve on http://localhost:8080
	$(CARGO) run --profile quick --package primetrade -- serve

demo: ## the same, with a shop to look at
	$(CARGO) run --profile quick --package primetrade -- serve --demo

RELEASE = $(or $(CARGO_TARGET_DIR),target)/release
build: ## the optimised binary: target/release/primetrade, with its symbols beside it
	$(CARGO) build --release --package primetrade
	@if command -v objcopy >/dev/null; then cd "$(RELEASE)" && \
	objcopy --only-keep-debug primetrade primetrade.debug && \
	objcopy --strip-all --add-gnu-debuglink=primetrade.debug primetrade primetrade.stripped && mv primetrade.stripped primetrade; \
	else echo "objcopy is not installed: the binary keeps its symbols (apt-get install binutils)"; fi

test: servers fuzzer lint ## everything: format, lints, unit, store and black-box tests, a generated client, and a short fuzz
	@# First all targets: among them the binary that the scenarios start, built of the same pieces as the tests.
	$(EVERYTHING)
	@$(MAKE) --no-print-directory previous
	$(CARGO) test --workspace
	python3 tests/client/run.py --if-installable
	python3 tests/fuzz/run.py --if-installable 5

scenario: servers ## the scenarios with NAME in their names, on a binary, documents and examples that are of today
	UPDATE_DOCS=1 $(DOCUMENTED)
	$(EVERYTHING)
	$(CARGO) scenarios $(NAME)

previous: ## the release before this one, which the scenarios start on the same stores; needs the repository's history
	@CARGO="$(CARGO)" tests/previous.sh

lint: ## format and lints, warnings refused
	@# Not by cargo, which does not see the modules that a list declares, such as the steps of the edge.
	git ls-files '*.rs' | xargs rustfmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@# Links of comments lead somewhere.
	RUSTDOCFLAGS="-D rustdoc::broken_intra_doc_links -A rustdoc::private_intra_doc_links" $(CARGO) doc --workspace --no-deps --document-private-items --quiet
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check licenses bans sources; \
	else echo "cargo-deny is not installed: licences and bans are not checked (cargo install cargo-deny --locked)"; fi
	@$(MAKE) --no-print-directory audit

audit: ## known vulnerabilities, against the advisory database in the folder ADVISORY_DB
	@if [ -z "$$ADVISORY_DB" ]; then echo "ADVISORY_DB is not set: advisories are not checked"; \
	elif command -v cargo-audit >/dev/null; then $(CARGO) audit --db "$$ADVISORY_DB" --no-fetch --stale; \
	else echo "cargo-audit is not installed: advisories are not checked (cargo install cargo-audit --locked)"; fi

fmt: ## format the code
	git ls-files '*.rs' | xargs rustfmt

docs: servers ## renew what is generated in docs: settings, OpenAPI documents, their examples
	@# The scenarios know operations from the documents, which get their examples from the scenarios.
	UPDATE_DOCS=1 $(DOCUMENTED)
	$(EVERYTHING)
	UPDATE_DOCS=1 $(CARGO) scenarios examples
	UPDATE_DOCS=1 $(DOCUMENTED)

drawings: ## renew the drawings in docs/drawings, with graphviz
	docs/drawings/draw.sh

servers: ## installs the servers that the tests start, and what they watch them by, where it may
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; \
	else echo "The tests start PostgreSQL themselves; please install it first: sudo apt-get install postgresql" >&2; exit 1; fi
	@command -v chromium >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	else echo "Without Chromium the API page is not tried in a browser: sudo apt-get install chromium" >&2; fi
	@ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends faketime; \
	else echo "The tests set clocks by faketime; please install it first: sudo apt-get install faketime" >&2; exit 1; fi
	@command -v strace >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends strace; \
	else echo "Without strace, what is on disk before what is not tested: sudo apt-get install strace" >&2; fi

fuzzer: ## installs what the fuzzer needs beside PyPI, where it may
	@python3 -c 'import ensurepip, venv' 2>/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv; \
	else echo "The fuzzer runs in a Python environment of its own; please install: sudo apt-get install python3-venv" >&2; exit 1; fi

fuzz: fuzzer ## requests made up from the OpenAPI documents, EXAMPLES for each operation and caller
	$(EVERYTHING)
	python3 tests/fuzz/run.py $(EXAMPLES)

# npm is not installed by itself: with it come four hundred packages.
client: ## a TypeScript client generated from the OpenAPI document, and what a seller does with it; needs npm
	$(EVERYTHING)
	python3 tests/client/run.py

bench: build ## measure against bare peers and record the figures in benches/results
	python3 benches/run.py
