# One verb per thing a person does here. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two torch thread pools on few cores spin against each other; one thread per process is faster.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-compare test test-browser test-gpu test-slow gate check format bench docs train-nano lock clean

help: ## Show the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## Create .venv with everything the default tests need (about 4 minutes, 6 GB)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

DEMO_MODELS := cheers-nano cheers-nano-no-hfi cheers-nano-untrained null
DEMO_RUNS := $(DEMO_MODELS:%=runs/demo/%)

demo: $(STAMP) ## Evaluate cheers-nano and controls on the smoke suite; print the leaderboard
	for model in $(DEMO_MODELS); do \
	  $(BIN)/cheers-bench run --suite smoke --model $$model --out runs/demo/$$model || exit 1; done
	$(BIN)/cheers-bench leaderboard $(DEMO_RUNS) --format html --output runs/demo/leaderboard.html
	@$(BIN)/cheers-bench leaderboard $(DEMO_RUNS) --format md
	@$(BIN)/cheers-bench report $(DEMO_RUNS) --out runs/demo/report
	@echo "page: $(CURDIR)/runs/demo/leaderboard.html"

# Further models, e.g. make demo-compare COMPARE_MODELS="cheers-nano tar:/checkpoints/tiny-tar"
COMPARE_MODELS ?= cheers-nano cheers-nano-untrained tar-tiny-untrained

demo-compare: $(STAMP) ## Models of every kind in one table: ours, diffusers, recorded, served; Pareto plots
	$(BIN)/python -m recipes.compare --out runs/compare $(COMPARE_MODELS)

test: $(STAMP) ## Run the default tests
	$(BIN)/python -m pytest

test-browser: $(STAMP) ## Test the report in Chromium (apt-get install chromium), slow tests included
	$(BIN)/python -m pytest tests/report -m browser -s

test-slow: $(STAMP) ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow --timeout=3600

test-gpu: $(STAMP) ## Run what needs a GPU, and hold CHEERS to its golden tensors there
	$(BIN)/python -m pytest tests/gpu -m gpu
	CHEERS_BENCH_DEVICE=cuda $(BIN)/python -m pytest tests/parity -k cheers

gate: $(STAMP) ## Evaluate cheers-nano and fail if it got worse than its committed baseline
	rm -rf runs/gate  # a finished run is never asked again, whatever the code has become since
	$(BIN)/cheers-bench run --suite smoke --model cheers-nano --out runs/gate
	$(BIN)/cheers-bench gate --baseline results/baselines/cheers-nano-smoke.jsonl \
	  --candidate runs/gate --policy docs/gate.yaml

check: $(STAMP) ## Lint, format check, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Run the benchmarks; every claim is a ratio measured in one run
	$(BIN)/python -m pytest benchmarks -m bench --benchmark-enable --timeout=3600 -s

docs: $(STAMP) ## Check that every command and link in the documentation works
	$(BIN)/python -m pytest tests/docs

train-nano: $(STAMP) ## Train cheers-nano (hours; resumes where it stopped)
	$(BIN)/python -m recipes.nano.train

lock: $(STAMP) ## Write the exact installed versions to constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean: ## Remove caches and build products
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache
