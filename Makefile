# The one list of commands. `make` alone prints it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo run stop backup restore restore-drill test test-security test-money test-ops bench check openapi client sqlx test-live fmt build

# Queries are checked against the committed cache, so that nothing needs a database to compile.
export SQLX_OFFLINE := true
CARGO ?= cargo
WITH_POSTGRES := $(CARGO) run --quiet --package devstack --bin with-postgres --

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{ printf "make %-14s %s\n", $$1, $$2 }'

demo: build ## Boot everything, run all ten workflows and one generation that fails, print the ledger, exit
	@$(CARGO) run --quiet --package devstack --bin demo -- $(ARGS)

run: build ## Boot everything and stay up; prints URLs, a token and curl lines that work as pasted
	@$(CARGO) run --quiet --package devstack --bin run

stop: ## Stop what `make run` started
	@scripts/stop

backup: ## Write a consistent backup of the database into .local/backups (ARGS=--help; docs/recovery.md)
	@scripts/backup $(ARGS)

restore: ## Restore a backup: make restore ARGS=".local/backups/..." (ARGS=--help; docs/recovery.md)
	@scripts/restore $(ARGS)

restore-drill: build ## Lose the database under traffic, restore it into a fresh server, print time and loss (ARGS=--help)
	@$(CARGO) run --quiet --package devstack --bin restore-drill -- $(ARGS)

test: preflight ## Run all tests; brings its own Postgres and simulators
	@$(WITH_POSTGRES) $(CARGO) test --workspace

test-security: preflight ## Make every attack the tests know, at length, and print what came of each
	@scripts/test-security

test-money: preflight ## Move credits in every way at random, at length, against a model; prints each seed
	@scripts/test-money

test-ops: preflight ## Try what operators rely on: alerts, dashboards, counters, commands; prints a summary
	@scripts/test-ops $(ARGS)

bench: preflight ## Measure on this machine and print each figure beside its reference (ARGS=--help)
	@$(CARGO) build --quiet --release --package shootx-api --package shootx-worker --package simulators --package devstack --bins
	@$(CARGO) run --quiet --release --package devstack --bin bench -- $(ARGS)

check: preflight ## Format, lints, docs, layers, query cache, API document, dependencies, spelling
	@scripts/check

openapi: preflight ## Write openapi.yaml from the code
	@$(CARGO) run --quiet --package shootx-api -- openapi > openapi.yaml.new && mv openapi.yaml.new openapi.yaml

client: openapi ## Write the types of the TypeScript client from openapi.yaml; needs Node.js and npm
	@scripts/client-schema > schema.d.ts.new && mv schema.d.ts.new clients/typescript/src/schema.d.ts || { rm -f schema.d.ts.new; exit 1; }

sqlx: preflight ## Refresh the query cache .sqlx after a change to a query or a migration
	@scripts/sqlx-cache refresh

test-live: preflight ## Contract tests against the real RunPod; needs its settings (deploy/env.template), runs three GPU jobs
	@$(CARGO) test --package shared --features live --test it -- live --nocapture

fmt: ## Format the code
	@$(CARGO) fmt --all

build: preflight ## Build the services and the local stack
	@$(CARGO) build --package shootx-api --package shootx-worker --package devstack --bins

.PHONY: preflight
preflight:
	@scripts/preflight
