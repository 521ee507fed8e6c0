# `make help` lists what can be done here. Everything else is in hack/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV = $(shell hack/venv)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: venv
venv: ## Make the virtual environment and link it as .venv
	@hack/venv

.PHONY: fmt
fmt: ## Format and fix what can be fixed
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

.PHONY: lint
lint: ## ruff and the layers between packages
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check . && PYTHONPATH=operator $(VENV)/bin/lint-imports

.PHONY: type
type: ## mypy strict and pyright strict, over code and tests
	@$(VENV)/bin/mypy operator hack tests && $(VENV)/bin/basedpyright

.PHONY: verify
verify: lint type ## Everything that reads the code without running it
	@for check in hack/verify-*.sh; do echo "$$check" && "$$check" || exit 1; done

.PHONY: manifests
manifests: ## Write the definitions anew from the types, and copy them into the chart
	@hack/update-crds.sh && hack/update-chart.sh

.PHONY: test
test: verify ## Every check and every tier: unit, contract, integration, e2e
	@hack/test

.PHONY: test-unit test-contract test-integration test-e2e
test-unit: ## Pure code, no sockets
	@hack/test unit
test-contract: ## Generated files, chart and documents against the code
	@hack/test contract
test-integration: ## Against a real API server
	@hack/test integration
test-e2e: ## On real nodes, with faults
	@hack/test e2e cluster

.PHONY: demo
demo: ## The main job end to end on a test cluster of its own, every step checked
	@hack/demo/run

.PHONY: bench-router bench-healing
bench-router: ## Our router beside bare HAProxy and LiteLLM; BENCH_JSON=FILE writes the figures
	@hack/bench/router/run
bench-healing: ## Receivers and healer in a storm of 10,000 alerts; BENCH_JSON=FILE writes the figures
	@hack/bench/healing/run

.PHONY: up down
up: ## Start a test cluster to try things on
	@hack/cluster up --with metrics,monitoring
down: ## Take that cluster down
	@hack/cluster down
