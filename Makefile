# Tidegauge: what a developer or a newcomer runs. `make help` lists it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n logical --dist worksteal
TIER   ?= unit operator stack chart apiserver node monitoring

.DEFAULT_GOAL := help
.PHONY: help demo test quick check format crds chart golden pictures soak bench bench-cluster cluster cluster-down e2e-kind clean

help:  ## What this file can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: welcome $(VENV)/.local  ## See drift found: fit, pack, serve with 3 replicas, send traffic, print the verdict
	$(BIN)/python -m tidegauge.local.demo

.PHONY: welcome
welcome:
	@echo "The demo fits and packs a model, serves it with 3 replicas, sends traffic that drifts, prints the verdict."
	@test -e $(VENV)/.local && echo "It takes about a minute." || \
	  echo "The first time it installs some 700 MB of packages into $(VENV): a few minutes. Then it takes about a minute."

# Tests that start no cluster run side by side, one process a core; the others have the machine to themselves.
BESIDE := $(addprefix tests/,$(filter unit operator,$(TIER)))
ALONE  := $(addprefix tests/,$(filter-out unit operator,$(TIER)))

test: check  ## Everything a change must pass: check, then all tests
	@failed=; \
	$(if $(BESIDE),$(PYTEST) $(BESIDE) -m "not soak" --durations=10 $(PARALLEL) || failed=1;) \
	$(if $(ALONE),$(PYTEST) $(ALONE) -m "not soak" --durations=10 || failed=1;) \
	test -z "$$failed"

quick: $(VENV)/.dev  ## The loop of a change: unit and operator tests side by side, without the slow ones
	$(PYTEST) tests/unit tests/operator -m "not soak and not slow" -q $(PARALLEL)

check: $(VENV)/.dev  ## Lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Let ruff fix what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

crds: $(VENV)/.dev  ## Write crds/ and docs/custom-resource.md from the types in tidegauge/resource
	$(BIN)/python -m tidegauge.resource.crd > crds/driftmonitoredmodels.tidegauge.io.yaml
	$(BIN)/python -m tidegauge.resource.reference_page > docs/custom-resource.md

chart: crds  ## Write what charts/ and manifests/ take from crds/, deploy/operator/role.yaml and each other
	PYTHONPATH=tests $(BIN)/python -m support.chart_files

golden: chart  ## Write the golden files of tests/operator and tests/chart again; look at the diff
	PYTHONPATH=tests $(BIN)/python -m support.golden_plan

pictures: $(VENV)/.dev  ## Draw docs/pictures/ from real counts
	$(BIN)/python docs/pictures/draw.py

soak: $(VENV)/.dev  ## The long random runs that `make test` leaves out
	$(PYTEST) tests -m soak --durations=10

bench: $(VENV)/.dev  ## Measure every target: a table here, JSON in bench-results/ (ARGS="NAME --quick")
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

bench-cluster: $(VENV)/.dev  ## Measure the whole line on a real node (Linux, root)
	PYTHONPATH=tests $(BIN)/python -m bench cluster $(ARGS)

cluster: $(VENV)/.dev  ## A one-node Kubernetes with tidegauge and a model on it, for you (Linux, root)
	PYTHONPATH=tests $(BIN)/python -m support.node.standing up

cluster-down: $(VENV)/.dev  ## End it
	PYTHONPATH=tests $(BIN)/python -m support.node.standing down

e2e-kind: $(VENV)/.dev  ## The tests on real pods, on a kind cluster of their own (Docker; KEEP=1 keeps it)
	PYTHONPATH=tests $(BIN)/python -m support.node.kind

clean:  ## Remove what these targets made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench-results

# One environment; the demo needs less of it than the tests do.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tidegauge needs Python 3.11 or newer, this is " + sys.version)'
	@echo "Making the environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.local: pyproject.toml constraints.txt tidegauge/__about__.py | $(VENV)/bin/python
	@echo "Installing what the local stack needs into $(VENV) ..."
	@$(PIP) --no-compile -e '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt tidegauge/__about__.py | $(VENV)/bin/python
	@echo "Installing what the tests need into $(VENV) ..."
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.local
