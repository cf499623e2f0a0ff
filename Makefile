# Two commands on a machine with Python 3.11, git and make: `make dataset`, `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: dataset test lint site clean

dataset: $(READY)
	$(BIN)/busgen run

test: lint  # two processes of one thread each, a file of tests stays in one
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 30

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

site: $(READY)  # the documents as a site, in build/site; no network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/site/mkdocs.yml

$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[pipeline,dask,ray,dev,dicom,s3,sign,features,train,docs]'
	touch $(READY)

clean:
	rm -rf .venv .prefect data/candidates data/release data/quality data/report data/work
