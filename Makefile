# Every target sets up what it needs. A fresh machine needs make, Python >= 3.11 with venv and, for the database, root or
# sudo or a Docker engine.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV ?= .venv
SCALE ?= 1
TESTS ?= tests
JOBS ?= 2
BENCH ?=
SECONDS ?= 600
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_LINK_MODE := copy

CONFIG ?= keyshift.yaml
ARCH ?= arm64
HOOKS ?=
KEYMAP ?=
TRY_WITH ?=
OUTPUT ?= keyshift-apply-$(ARCH).zip

.PHONY: help demo lambda-zip test lint check soak large bench clean
help:
	@echo "make demo [SCALE=n]  a whole migration of a live database, on this machine, in minutes"
	@echo "make lambda-zip      the Lambda function's archive: ARCH=arm64|x86_64 CONFIG= or KEYMAP= HOOKS= TRY_WITH= OUTPUT="
	@echo "make test            the tests, against real servers (JOBS=n at once)"
	@echo "make lint            format, lint, types, arrows"
	@echo "make check           lint and test"
	@echo "make soak            random faults for SECONDS=600, then both sides are compared"
	@echo "make large           a million rows in one transaction, a binlog file over 4 GiB: 15 GB of disk"
	@echo "make bench           rows per second beside what one would pick instead"

# The virtual environment, exactly as uv.lock says. Made anew when the project's dependencies or its compiled parts
# change; these are left out where there is no C compiler, and the last line says so.
$(VENV)/.ready: pyproject.toml uv.lock $(wildcard keyshift/*/*.pyx keyshift/*/*.pxd)
	@test -n "$(PYTHON)" || { echo "Keyshift needs Python >= 3.11 with venv: apt-get install python3 python3-venv" >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.7"
	@$(VENV)/bin/uv sync --quiet --frozen --inexact --all-extras --reinstall-package keyshift --python $(VENV)/bin/python
	@$(VENV)/bin/python -m keyshift.native
	@touch $@

demo: $(VENV)/.ready
	@$(VENV)/bin/keyshift demo --scale $(SCALE)

lambda-zip: $(VENV)/.ready
	@$(VENV)/bin/keyshift --config $(CONFIG) deploy zip --architecture $(ARCH) --output $(OUTPUT) \
		$(if $(KEYMAP),--keymap $(KEYMAP)) $(addprefix --hooks ,$(HOOKS)) $(if $(TRY_WITH),--try-with "$(TRY_WITH)")

test: $(VENV)/.ready
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist worksteal $(TESTS)

lint: $(VENV)/.ready
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

check: lint test

soak: $(VENV)/.ready
	KEYSHIFT_SOAK_SECONDS=$(SECONDS) $(VENV)/bin/python -m pytest tests/acceptance/test_soak.py

large: $(VENV)/.ready
	$(VENV)/bin/python -m pytest tests/acceptance/large.py

bench: $(VENV)/.ready
	$(VENV)/bin/python -m bench $(BENCH)

clean:
	rm -rf .venv .venv-* .cache build dist *.egg-info keyshift/*/_*.c keyshift/*/_*.so
