# make demo and make test need python3 (3.11 or newer), make and pip alone; all that they use lands in .venv.
PYTHON ?= python3
BIN := .venv/bin
DEMO_BLOCKS ?= 8
# The build without CUDA where there is one; what is measured here are CPUs.
TENSORFLOW := $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),tensorflow-cpu,tensorflow)

.DEFAULT_GOAL := help
.PHONY: help venv demo study test test-full compiled browser frameworks lint bench bench-truth bench-overhead clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: .venv/.ready ## make .venv with everything that the demo and the tests need, in pinned versions

.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "wattleak needs Python 3.11 or newer: make PYTHON=python3.12 venv")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt 'torch==2.13.0' -e '.[torch,dev]'
	@touch $@

demo: venv ## prove what a smell costs on real training: about four minutes on two cores, ends with verdict and report
	$(BIN)/wattleak study unnecessary-parallelism --blocks $(DEMO_BLOCKS) --report

study: venv frameworks ## what every smell costs in every framework: experiments, league table, the evidence of findings
	$(BIN)/python -m benchmarks smells

test: venv compiled ## run the checks and the tests; what needs a browser or TensorFlow says so and is skipped
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-full: venv browser frameworks compiled ## run the checks and all tests; installs a browser and TensorFlow, and requires them
	$(MAKE) --no-print-directory lint
	WATTLEAK_REQUIRE_BROWSER=1 WATTLEAK_REQUIRE_FRAMEWORKS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

compiled: venv # the tests start wattleak a thousand times, also where PYTHONDONTWRITEBYTECODE keeps it from being kept
	@$(BIN)/python -m compileall -q src/wattleak

browser: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt playwright
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

frameworks: venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TENSORFLOW) keras jax scikit-learn torchvision accelerate pyarrow webdataset ipykernel

lint: venv ## check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: venv ## slow, real: calibration with real processes, cost of the recorder; writes docs/results/
	$(BIN)/python -m benchmarks

bench-truth: venv ## scripted joules through wattleak and its peers (installs them in a cache folder): about 12 minutes
	$(BIN)/python -m benchmarks truth

bench-overhead: venv ## what it costs to be measured, by wattleak and its peers: about 20 minutes on a quiet machine
	$(BIN)/python -m benchmarks overhead

clean: ## remove what the targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
