# Targets that people use. `make help` lists them.

export CGO_ENABLED := 0

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO_SOURCES  := $(shell find cmd runtime hostfuncs internal modules guest-sdk/go testdata/guests -name '*.go' 2>/dev/null) go.mod go.sum
GUESTS      := example probe greeter greeter-v2 misbehave dialer streamer

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: build ## serve on port 8200 with the bundled connectors (ARGS adds flags)
	./bin/sluice serve $(ARGS)

.PHONY: build
build: bin/sluice bin/probe.wasm bin/guests/greeter.wasm ## bin/sluice, static, and the guests of the tests

bin/sluice: modules/built/example.wasm modules/http/http.wasm $(GO_SOURCES) runtime/server/openapi.json
	go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/sluice

modules/built/example.wasm: bin/guests/example.wasm
	cp $< $@

bin/probe.wasm: bin/guests/probe.wasm
	cp $< $@

bin/guests/%.wasm: modules/build-go.sh $(GO_SOURCES)
	sh modules/build-go.sh bin/guests $*

.PHONY: guests
guests: $(GUESTS:%=bin/guests/%.wasm)

.PHONY: test
test: build guests ## the fast tests
	go test ./... ./testdata/guests/...

.PHONY: race
race: build guests ## the fast tests under the race detector, which needs a C compiler; those of whole processes compile guests with it for minutes, and are left out
	CGO_ENABLED=1 go test -race -timeout 30m $$(go list ./... | grep -v -e /cmd/ -e /internal/doctest)

.PHONY: test-kill
test-kill: build guests ## kill -9 under load, again and again (KILL_ROUNDS changes how often)
	go test -tags long -run 'Kill' -timeout 30m ./cmd/sluice -args -kill.rounds=$(or $(KILL_ROUNDS),20)

.PHONY: test-long
test-long: test-kill ## the kill loop, canaries over 100,000 calls, all spec tests, and all hostile modules: half an hour
	go test -tags long -run 'CanaryLong|VerifyLong' -timeout 30m -v ./runtime
	go test -tags long -run 'Long' -timeout 30m ./runtime/module
	go test -tags long -timeout 60m ./runtime/hostile

.PHONY: test-postgres
test-postgres: ## a guest asks a real PostgreSQL over TLS (needs PostgreSQL's server; as root, Debian's user postgres runs it)
	sh testdata/guests/postgres/build.sh bin/guests
	go test -tags postgres -run Postgres -count 1 ./runtime

.PHONY: cases
cases: build ## replay the recorded calls of the reference servers (needs Python 3.11)
	sh testdata/conformance/run.sh

.PHONY: check
check: ## format, vet, staticcheck, and the locks of committed modules
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	go vet ./... ./testdata/guests/...
	GOOS=wasip1 GOARCH=wasm go vet ./guest-sdk/go/... ./modules/example/... ./testdata/guests/... ./benchmarks/guests/...
	go run $(STATICCHECK) ./...
	go mod tidy -diff

.PHONY: modules
modules: ## rebuild the committed modules (needs make toolchains)
	bash modules/build-rust.sh build

.PHONY: check-modules
check-modules: ## rebuild the committed modules elsewhere and compare
	bash modules/build-rust.sh check

.PHONY: test-modules
test-modules: ## the unit tests of the Rust SDK and of the modules written with it (needs make toolchains)
	bash modules/build-rust.sh test

.PHONY: toolchains
toolchains: ## install what builds the guests that are not in Go (Debian, as root)
	bash scripts/toolchain-rust.sh

.PHONY: bench-guests
bench-guests: ## build what the benchmarks run (needs make toolchains, Python, Node and cargo)
	bash benchmarks/guests/toolchains.sh
	bash benchmarks/guests/build.sh build bin/bench
	bash benchmarks/extism/plugin/build.sh bin/bench/extism.wasm

.PHONY: check-bench-guests
check-bench-guests: ## rebuild the committed guests of the benchmarks elsewhere and compare
	bash benchmarks/guests/toolchains.sh
	bash benchmarks/guests/build.sh check

.PHONY: bench
bench: build bench-guests ## measure, and write benchmarks/RESULTS.md and its picture
	go run ./benchmarks/percall
	cd benchmarks/extism && go run .
	go run ./benchmarks/e2e
	go run ./benchmarks/guard
	go run ./benchmarks/report
	go test -run '^$$' -bench . -benchmem ./benchmarks/...

.PHONY: bench-hostile
bench-hostile: build ## hostile modules against a server, and write benchmarks/HOSTILE.md
	go run ./benchmarks/hostile -out benchmarks/HOSTILE.md

.PHONY: fuzz
fuzz: ## fuzz every parser for a minute each (FUZZTIME changes that; 100x is a hundred inputs)
	sh scripts/fuzz.sh $(or $(FUZZTIME),1m)
