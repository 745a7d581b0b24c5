# Everything is installed into .venv, nothing outside of it. `make clean` takes it away.
# With uv on the PATH uv sets it up; without, Python's own venv and pip do.
# Another Python than the usual one: make demo PYTHON=python3.12

UV := $(shell command -v uv 2>/dev/null)
BASE_PYTHON := $(or $(PYTHON),python3)
RUN := .venv/bin/python -m
# A file stays on one core: what the README shows builds on what it showed before.
ON_ALL_CORES := -n auto --dist loadfile
INSTALL := $(if $(UV),uv pip install --quiet --python .venv,$(RUN) pip install --quiet)

.PHONY: help demo test thorough docs bench clean

help:  ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

demo: .venv/.package  ## Watch a network learn XOR; its report is runs/xor/report.html
	$(RUN) tinygrad_edu xor

test: .venv/.test  ## Lint, types and tests
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	HYPOTHESIS_PROFILE=ci $(RUN) pytest $(ON_ALL_CORES) -m "not thorough"

thorough: .venv/.test  ## All tests with many more random cases, and the long proofs
	HYPOTHESIS_PROFILE=thorough $(RUN) pytest $(ON_ALL_CORES)

docs: .venv/.docs  ## Build the site: course, how-to, reference, explanation, gallery
	$(RUN) sphinx --quiet --fail-on-warning --keep-going --nitpicky -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# An OpenBLAS kernel forced by the environment would slow NumPy, and not its peers.
bench: .venv/.bench  ## Speed and the verifier beside NumPy by hand and other libraries
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(RUN) benchmarks

clean:  ## Remove .venv, caches and builds; runs/ stays
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	rm -rf docs/_build docs/gallery docs/reference
	find . -name __pycache__ -prune -exec rm -rf {} +

# Each stamp is touched last, so that a set-up that was interrupted starts again.
.venv/.package: .venv/.python pyproject.toml
	@echo "Installing tinygrad_edu into .venv (once; it may take a minute) ..."
	$(INSTALL) --editable ".[all]"
	@touch $@

.venv/.test: .venv/.package
	$(INSTALL) --group test
	@touch $@

.venv/.docs: .venv/.package
	$(INSTALL) --group docs
	@touch $@

# Always pip: it finds the PyTorch build for this machine's pip settings, which uv does not read.
.venv/.bench: .venv/.package
	$(RUN) pip install --quiet --group bench
	@touch $@

.venv/.python:
	@rm -rf .venv
ifdef UV
	uv venv --quiet --seed $(if $(PYTHON),--python "$(PYTHON)") .venv
else
	@"$(BASE_PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "tinygrad_edu needs Python 3.11 or newer; $(BASE_PYTHON) says: `"$(BASE_PYTHON)" --version 2>&1`"; \
	  echo "Name another one: make demo PYTHON=python3.12"; exit 1; } >&2
	@"$(BASE_PYTHON)" -m venv .venv >/dev/null || { \
	  echo "$(BASE_PYTHON) cannot make a virtual environment. On Debian and Ubuntu this line mends it:"; \
	  "$(BASE_PYTHON)" -c 'import sys; print("  sudo apt-get install python%d.%d-venv" % sys.version_info[:2])'; \
	  echo "Or install uv (https://docs.astral.sh/uv), which needs none, and run make again."; exit 1; } >&2
	$(RUN) pip install --quiet --upgrade "pip>=25.1"  # the first that knows --group
endif
	@touch $@
