#!/bin/bash
# go.sh CHECKOUT: apply the map of names to a checkout and tidy it; run by the checkout's own Python
set -e
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
PYTHONPATH=. .venv/bin/python "$here/rename.py" . "$here/renames.csv"
PYTHONPATH=. .venv/bin/python "$here/strings.py" .
.venv/bin/ruff check -q --fix --select I . || true
.venv/bin/ruff format -q .
.venv/bin/busgen dev deps --write
.venv/bin/ruff check --output-format concise . | tail -60 || true
