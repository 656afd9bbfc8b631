# make demo: from nothing to a report. make test: the tests. make lint: style, types, layers.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST_ARGS ?=
PIP_ARGS ?=
INSTALLED = $(VENV)/.installed-train
INSTALLED_DEV = $(VENV)/.installed-dev

.PHONY: demo test test-slow test-all lint format bench-harvest bench-normalize bench wheel

demo: $(INSTALLED)
	$(BIN)/carharvest demo

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -n auto -m "not slow" $(PYTEST_ARGS)

test-slow: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -n auto -m slow $(PYTEST_ARGS)

test-all: test-slow test

lint: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-harvest bench-normalize

bench-harvest: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.harvest

bench-normalize: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.normalize

wheel: $(INSTALLED_DEV)
	$(BIN)/python -m build --wheel

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# constraints.txt pins what was tested; on Linux it also keeps pip from taking a PyTorch for another machine.
$(INSTALLED): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[train]"
	touch $@

$(INSTALLED_DEV): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	touch $@ $(INSTALLED)
