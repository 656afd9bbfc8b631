# make demo: from nothing to a report. make test: the tests. make lint: style, types, layers.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PYTEST_ARGS ?=
PIP_ARGS ?=
NODE = tests/node/node_modules
PHOTOS ?= ../shared/photos
COUNTERPARTS = .venv-counterparts/.installed
INSTALLED = $(VENV)/.installed-train
INSTALLED_DEV = $(VENV)/.installed-dev

.PHONY: demo test test-slow test-all fuzz lint format bench-harvest bench-growth bench-normalize bench-near bench-duplicates bench-quality bench-curation bench-value bench-splits bench-training bench-listings bench wheel

demo: $(INSTALLED)
	$(BIN)/carharvest demo

test: $(INSTALLED_DEV) $(NODE)
	$(BIN)/python -m pytest -n auto -m "not slow" $(PYTEST_ARGS)

test-slow: $(INSTALLED_DEV)
	$(BIN)/python -m pytest -n auto -m slow $(PYTEST_ARGS)

test-all: test-slow test

fuzz: $(INSTALLED_DEV)
	FUZZ_CASES=10000 $(BIN)/python -m pytest -n auto --timeout=3600 tests/test_fuzz.py $(PYTEST_ARGS)

lint: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-harvest bench-growth bench-normalize bench-near bench-duplicates bench-quality bench-curation bench-value bench-splits bench-training bench-listings

bench-harvest: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.harvest

bench-growth: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.growth

bench-normalize: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.normalize

bench-near: $(INSTALLED_DEV) $(COUNTERPARTS)
	$(BIN)/python -m benchmarks.near

bench-duplicates: $(INSTALLED_DEV) $(COUNTERPARTS)
	$(BIN)/python -m benchmarks.duplicates $(PHOTOS)

bench-quality: $(INSTALLED_DEV) $(COUNTERPARTS)
	$(BIN)/python -m benchmarks.quality

bench-curation: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.curation $(PHOTOS)

bench-value: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.value

bench-splits: $(INSTALLED_DEV) $(COUNTERPARTS)
	$(BIN)/python -m benchmarks.splits

bench-training: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.training

bench-listings: $(INSTALLED_DEV)
	$(BIN)/python -m benchmarks.listings $(EXPORT)

# What carharvest is measured against (imagededup, cleanvision, faiss), in an environment of its own.
$(COUNTERPARTS): benchmarks/counterparts/requirements.txt constraints.txt
	$(PYTHON) -m venv .venv-counterparts
	grep -E "^torch(vision)?==" constraints.txt > .venv-counterparts/constraints.txt
	.venv-counterparts/bin/python -m pip install --quiet $(PIP_ARGS) -c .venv-counterparts/constraints.txt -r benchmarks/counterparts/requirements.txt
	touch $@

wheel: $(INSTALLED_DEV)
	$(BIN)/python -m build --wheel

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One test drives the official JavaScript client of Pexels; without node it is skipped.
$(NODE): tests/node/package-lock.json
	@command -v npm >/dev/null && npm ci --silent --no-audit --no-fund --prefix tests/node && touch $@ || echo "without npm's pexels its test is skipped"

# constraints.txt pins what was tested; on Linux it also keeps pip from taking a PyTorch for another machine.
$(INSTALLED): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[train]"
	touch $@

$(INSTALLED_DEV): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -c constraints.txt -e ".[dev]"
	touch $@ $(INSTALLED)
