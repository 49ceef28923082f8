# `make demo` and `make test` are all that a fresh machine needs; the rest is for developers.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

export MPLBACKEND := Agg

.PHONY: help demo test slow lint docs bench notebooks schema clean

help:
	@echo "make demo       install, run the main job on bundled data: demo.zarr, demo.html, demo_figures/"
	@echo "make test       install, run the fast tests and doctests"
	@echo "make lint       ruff, mypy, import-linter"
	@echo "make slow       the slow tests"
	@echo "make docs       build the documentation: docs/_build/html/index.html"
	@echo "make notebooks  run the tutorials"
	@echo "make bench      measure speed and memory beside the peers"

$(STAMP): pyproject.toml constraints.txt
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $(DOCS_STAMP)

demo: $(STAMP)
	$(BIN)/python -m mutua.demo

# Two workers share the cores: threads of torch and scikit-learn would only wait for each other.
test: export OMP_NUM_THREADS := 1
test: $(STAMP)
	$(BIN)/python -m pytest --doctest-modules -n 2 --dist loadgroup

slow: $(STAMP)
	$(BIN)/python -m pytest tests -m slow

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(DOCS_STAMP)
	$(BIN)/sphinx-build --builder html --jobs 2 --quiet --fresh-env \
		--nitpicky --fail-on-warning --keep-going docs docs/_build/html

notebooks: $(STAMP)
	@if ls tutorials/*.ipynb >/dev/null 2>&1; \
	then $(BIN)/python -m pytest --nbmake --nbmake-timeout=300 tutorials; \
	else echo "no notebooks yet"; fi

bench: $(STAMP)
	$(BIN)/python -m benchmarks

schema: $(STAMP)
	$(BIN)/mutua schema

clean:
	rm -rf demo.zarr demo.html demo_figures .pytest_cache .mypy_cache .ruff_cache
	rm -rf docs/_build docs/kinds docs/reference docs/tutorials
