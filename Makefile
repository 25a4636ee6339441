# The two commands are `make run` and `make test`; `make help` lists all.

BUILD  ?= build
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)

LIB     := $(CURDIR)/$(BUILD)/lib
LOAD    := $(BUILD)/bench/release/load
GO_ENV  := PKG_CONFIG_PATH=$(LIB)/pkgconfig LD_LIBRARY_PATH=$(LIB)

.PHONY: help run build programs test test-rust test-c test-go test-csharp test-clients bench bench-quick \
        bench-scale bench-latency bench-memory bench-programs install clean setup-run setup-test setup-bench

help: ## Lists the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: setup-run programs ## Builds what is missing and runs a broker on 127.0.0.1:1883
	exec $(BUILD)/bin/rmqtt-broker -c examples/broker.json

build: ## Builds the library, the C programs and their tests into build/
	cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DRMQTT_BUILD_TESTS=ON
	cmake --build $(BUILD) --parallel $(JOBS)

# The tests need more of the machine than a compiler.
programs: ## The same without the tests
	cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DRMQTT_BUILD_TESTS=OFF
	cmake --build $(BUILD) --parallel $(JOBS)

test: setup-test test-rust build test-c test-go test-csharp test-clients ## Runs every test in every language
	@echo "all tests passed"

test-rust: ## Formatting, lints and tests of the Rust side, and the contract of the C ABI
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo test --locked
	cargo fmt --check --manifest-path benches/load/Cargo.toml
	cargo clippy --locked --all-targets --manifest-path benches/load/Cargo.toml --target-dir $(BUILD)/bench -- -D warnings
	cargo test --locked --manifest-path benches/load/Cargo.toml --target-dir $(BUILD)/bench

test-c: build ## C, C++, examples, packaging and valgrind, through CTest
	ctest --test-dir $(BUILD) --output-on-failure --parallel $(JOBS)

test-go: build ## The Go binding, with the race detector
	@test -z "$$(gofmt -l bindings/go)" || { echo "gofmt: $$(gofmt -l bindings/go)"; exit 1; }
	cd bindings/go && $(GO_ENV) go vet ./...
	cd bindings/go && $(GO_ENV) go test -race -count=1 -timeout 300s ./...
	cd bindings/go && $(GO_ENV) go run ./examples/minimal

test-csharp: build ## The C# binding, with Mono, and with dotnet where it is installed
	OUT=$(CURDIR)/$(BUILD)/csharp bindings/csharp/test.sh $(LIB)

test-clients: build ## Real MQTT clients against rmqtt-broker
	RMQTT_BROKER=$(CURDIR)/$(BUILD)/bin/rmqtt-broker RMQTT_VENV=$(CURDIR)/$(BUILD)/venv \
		RMQTT_NODE=$(CURDIR)/$(BUILD)/node tests/clients/run.sh

bench: setup-bench bench-programs ## Compares rmqtt-broker with Mosquitto; BENCH_ARGS="--quick --only qos1" shortens it
	$(LOAD) compare --ours $(BUILD)/bin/rmqtt-broker --hooked $(BUILD)/bin/bench-hooked \
		--in-process $(BUILD)/bin/bench-in-process $(BENCH_ARGS)

bench-quick: setup-bench bench-programs ## Five workloads of the comparison, within 90 seconds
	$(LOAD) compare --ours $(BUILD)/bin/rmqtt-broker --peer mosquitto=mosquitto --quick --rounds 3 --limit 75 \
		--only qos0,qos1,qos2,fanout-qos1,pairs-qos1 $(BENCH_ARGS)

# Figures are written to docs/performance, and from there into docs/performance.md.
define study
$(LOAD) study $(1) --ours $(BUILD)/bin/rmqtt-broker
$(LOAD) report
endef

bench-scale: setup-bench bench-programs ## What a message costs as subscriptions, receivers, connections and workers grow
	$(call study,scale workers)

bench-latency: setup-bench bench-programs ## Latency at shares of the maximum, and beside bursts to others
	$(call study,latency burst)

bench-memory: setup-bench bench-programs ## Memory of clients, subscriptions, queued and retained messages
	$(call study,memory)

bench-programs: programs
	cargo build --release --locked --manifest-path benches/load/Cargo.toml --target-dir $(BUILD)/bench
	cmake --build $(BUILD) --target bench-hooked --target bench-in-process

install: programs ## Installs header, libraries, CMake package, pkg-config file and rmqtt-broker below PREFIX
	cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## Removes what the targets above have made
	rm -rf $(BUILD)
	cargo clean

setup-run:
	@scripts/setup run

setup-test:
	@scripts/setup test

setup-bench:
	@scripts/setup bench
