# `make demo` and `make test` do all the set-up themselves, each into a virtual environment here.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow bench lint clean

demo: $(VENV)/core.done
	$(BIN)/tosa-edge demo --out demo

test: lint
	$(BIN)/python -m pytest -m "not slow and not gpu" --durations=10

test-slow: $(VENV)/dev.done
	$(BIN)/python -m pytest -m "slow"

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/core.done
	$(BIN)/tosa-edge bench

$(VENV)/core.done: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/dev.done: $(VENV)/core.done
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
