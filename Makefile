# Creel, from a checkout. Everything is built with the dev profile into target/, once, for `make up` and the tests alike.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
.DEFAULT_GOAL := help

CREEL := target/debug/creel
# Cases of each property test in `make fuzz`; an ordinary test run takes 256.
CASES ?= 20000
# Labelled texts for `make eval` and `make train`; they are no part of this repository, and nothing else needs them.
DATA ?= ../shared/data
# Rounds of `make torture`; an ordinary test run plays 40.
ROUNDS ?= 1000
# How long `make fuzz` drives each target.
FUZZ_SECONDS ?= 60
# Named by what they leave out: so cargo gives each dependency the features that `make up` and `make test` built it with.
PURE := --workspace --exclude creel-doors --exclude creel-e2e --exclude creel-jail --exclude creel-jail-sys \
	--exclude creel-ledger

.PHONY: help setup build check test torture up down bench eval train fuzz

help:
	cat <<'END'
	make setup  what running and testing need from the system (root; Debian or Ubuntu; quick when nothing is missing)
	make up     setup, build, start a contained OpenClaw
	make down   stop it; workspace, state and ledger stay
	make check  format, lints, tidy, unit tests of the pure crates: before each commit
	make test   every test, the ones that need root and a real OpenClaw included
	make torture  ROUNDS=$(ROUNDS) times a writer of the ledger that is killed, or whose disk fails, at any system call
	make bench  what an act costs (release build; minutes the first time)
	make eval   how good judge and detectors are, suite by suite, source by source (needs labelled data: DATA=$(DATA))
	make train  the detector's weights anew, from the same texts
	make fuzz   each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS), and the property tests with CASES=$(CASES) cases each
	END

# The jail shows the host's /usr without /usr/local, so the agent's tools are looked for where packages put them.
setup:
	fail() { echo "setup: $$1" >&2; exit 1; }
	[ "$$(id -u)" = 0 ] || fail "Creel builds namespaces, mounts and cgroups: run make as root"
	[ "$$(uname -s)" = Linux ] || fail "Creel runs on Linux"
	command -v cargo >/dev/null || fail "cargo is missing: install Rust 1.95 or later (https://rustup.rs)"
	command -v npm >/dev/null || fail "npm is missing: install Node.js with npm, it fetches OpenClaw"
	declare -A packages=(
		[/usr/sbin/mkfs.ext4]=e2fsprogs [/usr/bin/curl]=curl [/usr/bin/git]=git [/usr/bin/python3]=python3
		[/usr/bin/setpriv]=util-linux [/usr/bin/unshare]=util-linux [/usr/bin/cc]=gcc
		[/etc/ssl/certs/ca-certificates.crt]=ca-certificates [/usr/include/stdio.h]=libc6-dev [/usr/sbin/runc]=runc
		[/usr/bin/crun]=crun [/usr/bin/strace]=strace [/usr/bin/openssl]=openssl [/usr/bin/psql]=postgresql-client [/usr/bin/pip3]=python3-pip
		[/usr/lib/python3/dist-packages/requests]=python3-requests [/usr/lib/python3/dist-packages/httpx]=python3-httpx
		[/usr/lib/python3/dist-packages/websockets]=python3-websockets [/usr/share/nodejs/ws]=node-ws [/usr/bin/chromium]=chromium
	)
	missing=()
	for file in "$${!packages[@]}"; do
		[ -e "$$file" ] || missing+=("$${packages[$$file]}")
	done
	if [ "$${#missing[@]}" -gt 0 ]; then
		command -v apt-get >/dev/null || fail "install these and run it again: $${missing[*]}"
		echo "setup: installing $${missing[*]}"
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq </dev/null
		apt-get install -y -qq --no-install-recommends "$${missing[@]}" </dev/null
	fi
	for file in "$${!packages[@]}"; do
		[ -e "$$file" ] || fail "\`$$file\` is still missing: install $${packages[$$file]}"
	done
	# The verifier that a test of the ledger asks; it runs on Python 3.11 too. Creel itself does without.
	if [ ! -d target/tools/aics ]; then
		mkdir -p target/tools
		rm -rf target/tools/aics.new
		python3 -m pip --version >/dev/null 2>&1 || apt-get install -y -qq --no-install-recommends python3-pip </dev/null || true
		python3 -m pip install --quiet --ignore-requires-python --target target/tools/aics.new aics-tlog==0.2.1 2>target/pip.log &&
			mv target/tools/aics.new target/tools/aics ||
			echo "setup: aics-tlog can't be installed (target/pip.log): one test of the ledger will ask for it" >&2
	fi

# Property tests draw the same cases in every run, so that a red run can be repeated; `PROPTEST_RNG_SEED=$$RANDOM make test`
# draws others, and the fuzz targets look further.
export PROPTEST_RNG_SEED ?= 20260926

build:
	cargo build --locked --workspace

check:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo run --locked --quiet --bin xtask -- tidy
	cargo test --locked --quiet $(PURE) --lib --bins --test runner

test: setup build
	cargo test --locked --workspace

torture:
	command -v strace >/dev/null || { echo "torture: strace is missing: run make setup" >&2; exit 1; }
	PROPTEST_RNG_SEED=$$RANDOM CREEL_TORTURE_ROUNDS=$(ROUNDS) \
		cargo test --locked -p creel-ledger --test runner torture -- --nocapture

up: setup build
	$(CREEL) up

down:
	[ -x $(CREEL) ] || { echo "down: nothing is built here, so nothing of it runs" >&2; exit 5; }
	$(CREEL) down

bench:
	command -v bwrap >/dev/null || apt-get install -y -qq --no-install-recommends bubblewrap </dev/null ||
		{ echo "bench: bwrap is missing: install bubblewrap" >&2; exit 1; }
	for proxy in squid-openssl tinyproxy haproxy unbound; do
		[ -e /usr/share/doc/$$proxy ] || apt-get install -y -qq --no-install-recommends $$proxy </dev/null || true
	done
	cargo bench --locked -p creel --bench policy --bench admit --bench jail --bench egress --bench model
	cargo bench --locked -p creel-scan --bench scan
	cargo bench --locked -p creel-ledger --bench ledger

eval:
	cargo build --locked --quiet --workspace
	cargo run --locked --quiet --bin xtask -- eval-calls $(DATA)/toolcalls/dev $(CREEL)
	cargo run --locked --quiet --bin xtask -- eval $(DATA)/injection/dev.jsonl

train:
	cargo run --locked --quiet --bin xtask -- train $(DATA)/injection/dev.jsonl

# Coverage that libFuzzer reads, on a stable compiler: what `cargo fuzz` asks of a nightly one, by its LLVM names.
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
FUZZ_TARGETS ?= $(notdir $(wildcard fuzz/seeds/*))

fuzz:
	command -v c++ >/dev/null || { echo "fuzz: a C++ compiler is missing: install g++" >&2; exit 1; }
	# With a target named, the flags stay out of build scripts, which libFuzzer's half of them would not link.
	host=$$(rustc -vV | sed -n 's/^host: //p')
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --locked --profile fuzz --target "$$host" --target-dir target/fuzz -p creel-fuzz --features engine
	mkdir -p target/fuzz/found
	for target in $(FUZZ_TARGETS); do
		mkdir -p "fuzz/corpus/$$target"
		echo "fuzz: $$target for $(FUZZ_SECONDS) s"
		log=target/fuzz/$$target.log
		if ! CREEL_FUZZ_TARGET=$$target "target/fuzz/$$host/fuzz/creel-fuzz" -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
			-rss_limit_mb=2048 -max_len=32768 -print_final_stats=1 -artifact_prefix="target/fuzz/found/$$target-" \
			"fuzz/corpus/$$target" "fuzz/seeds/$$target" >"$$log" 2>&1; then
			tail -n 40 "$$log"
			echo "fuzz: $$target failed; the input is in target/fuzz/found: mend it and keep it in fuzz/seeds/$$target" >&2
			exit 1
		fi
		grep -E "^stat::number_of_executed_units" "$$log"
	done
	echo "the property tests with $(CASES) cases each"
	PROPTEST_RNG_SEED=$$RANDOM PROPTEST_CASES=$(CASES) cargo test --locked -p creel-guard -p creel-policy -p creel-ledger -p creel-doors -p creel-openclaw -p creel-scan -p creel-secrets --lib
