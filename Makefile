# Two commands for a newcomer: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
KILLS  ?= 300
WORKFLOW ?= 20
SEED   ?= 1
CORES  ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN    := .venv/bin
RUN    := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: demo test test-slow test-browser test-slurm test-cuda faults lint bench bench-quick clean

demo: .venv/installed
	$(RUN) snakemake --cores $(CORES)
	@echo; echo "Figures:"; ls -1 results/*/figure/*.png results/*/view/*/*.png
	@echo; echo "To look around in, with a browser:"; ls -1 results/*/gallery/index.html

test: .venv/installed
	$(RUN) pytest

test-slow: .venv/installed
	$(RUN) pytest -m slow

# The gallery in a real browser, Debian's Chromium; where there is none and none can be had, it says so and skips.
test-browser: .venv/installed
	tests/browser/install
	$(RUN) pytest -m browser tests/browser

# Hundreds of kills, and what differs afterwards (docs/reliability.md): make faults KILLS=600 WORKFLOW=30 SEED=2
faults: .venv/installed
	$(RUN) python tests/faults/campaign.py --kills $(KILLS) --workflow $(WORKFLOW) --seed $(SEED)

# The workflow on a real Slurm of one node, which the test starts and stops; it needs root, and says so where it cannot.
test-slurm: .venv/installed
	tests/slurm/install
	$(RUN) pytest -m slurm tests/slurm

# On a GPU. All other tests hide the GPUs that a machine has, so that they hold the same on every machine.
test-cuda: .venv/installed
	$(RUN) pytest -m cuda tests/stages/test_on_cuda.py

lint: .venv/installed
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) lint-imports
	$(RUN) snakemake --lint

# Measured side by side: zfpipe against what it cannot be faster than, and against captum (docs/performance.md).
bench: .venv/installed
	$(RUN) python -m benchmarks

bench-quick: .venv/installed
	$(RUN) python -m benchmarks --quick --threads 1

# The stamp is made last, so an install that was cut off is done again.
.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zfpipe needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 demo")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[test,slurm]"
	touch $@

clean:
	rm -rf results/* .snakemake
