# Everything runs in .venv, made on first use and made up to date when pyproject.toml or constraints.txt change.
#
#   make grade              grade candidate/, leave report.html
#   make grade DIR=path     grade another directory; FLAGS="--seed 7" adds options
#   make test               the tests that take no long time, and a few of those that do
#   make test-all           the whole test suite; ARGS="tests/report -k grid" picks some of it
#   make platforms          what depends on the build of torch, on the standard one; PYTHON=python3.13 picks another Python
#   make environments       the tests of the tasks for verifiers and OpenEnv, each in an environment of its own
#   make generate           what is generated and kept, again: candidate/, the key, the schema

PYTHON = python3
VENV = .venv
STANDARD = .venv-standard
DIR = candidate
FLAGS =
ARGS = tests
WORKERS = 2

# Where this is set, each of the thousands of processes that the tests start would compile what it imports again.
unexport PYTHONDONTWRITEBYTECODE

BIN = $(VENV)/bin
MEASURE =
PYTEST = $(BIN)/python $(MEASURE) -m pytest -n $(WORKERS) --dist worksteal
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help grade test test-rest test-all coverage lint lint-style lint-types generate starter schema check-generated docs \
	bench platforms environments fifty constraints clean

help:
	@echo "make grade     grade candidate/ and leave report.html (DIR=path for another directory)"
	@echo "make test      the tests that take no long time, and a few of those that do: minutes"
	@echo "make test-all  the whole test suite"
	@echo "make coverage  make test, and how much of the grader it runs"
	@echo "make lint      style, types, and that no generated file is stale"
	@echo "make generate  make what is generated and kept again: candidate/, reference/key.json, the schemas of results and manifests"
	@echo "make docs      build the documentation as a site, in build/site"
	@echo "make bench     how long things take"
	@echo "make platforms the tests of what depends on torch's build, on the standard one: gigabytes to fetch"
	@echo "make environments  the tests of the tasks for verifiers and OpenEnv: a gigabyte to fetch"
	@echo "make fifty     build and prove fifty exercises"
	@echo "make clean     remove what these commands made"

# 0 is full marks and 1 falls short: both are grades. 2 and 3 mean that there is none.
grade: $(VENV)/.installed
	@$(BIN)/grader grade "$(DIR)" --html report.html $(FLAGS); status=$$?; \
	if [ $$status -gt 1 ]; then exit $$status; fi; \
	echo "The report is in $(CURDIR)/report.html"

test: $(VENV)/.installed-dev
	$(PYTEST) -m "smoke or not slow" $(ARGS)

# What `make test` leaves out.
test-rest: $(VENV)/.installed-dev
	$(PYTEST) -m "slow and not smoke" $(ARGS)

test-all: $(VENV)/.installed-dev
	$(PYTEST) $(ARGS)

# The tests run in processes of their own, each measured into a file. Below the floor in pyproject.toml this fails.
coverage: $(VENV)/.installed-dev
	$(BIN)/python -m coverage erase
	$(MAKE) test MEASURE="-m coverage run"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

lint: lint-style lint-types check-generated

lint-style: $(VENV)/.installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

lint-types: $(VENV)/.installed-dev
	$(BIN)/python -m mypy
	MYPYPATH=reference $(BIN)/python -m mypy -m model -m train -m followups
	MYPYPATH=candidate $(BIN)/python -m mypy -m model -m train -m followups
	MYPYPATH=tests/benchmarks $(BIN)/python -m mypy tests/benchmarks/*.py
	$(BIN)/python -m mypy --explicit-package-bases tests
	MYPYPATH=docs/site $(BIN)/python -m mypy docs/site/*.py

generate: starter schema

# Not in CI: it fetches gigabytes.
platforms: $(STANDARD)/.installed
	$(STANDARD)/bin/python -m pytest -n $(WORKERS) --dist worksteal tests/sandbox tests/cohort
	$(STANDARD)/bin/grader doctor

# Not in CI: each framework is installed in an environment of its own, which takes all else from .venv.
environments: .venv-verifiers/.installed .venv-openenv/.installed
	.venv-verifiers/bin/python -m pytest -n $(WORKERS) tests/environments/test_verifiers.py
	.venv-openenv/bin/python -m pytest -n $(WORKERS) tests/environments/test_openenv.py

starter: $(VENV)/.installed
	$(BIN)/python -m grader.injection.builtin

schema: $(VENV)/.installed
	$(BIN)/python -m grader.result.schema
	$(BIN)/python -m grader.injection.manifest

check-generated: $(VENV)/.installed
	$(BIN)/python -m grader.injection.builtin --check
	$(BIN)/python -m grader.result.schema --check
	$(BIN)/python -m grader.injection.manifest --check

# The variable silences an advertisement of the theme's. With --quiet, mkdocs would silence its warnings before it counts
# them, and --strict would let everything pass.
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "The site is in $(CURDIR)/build/site"

bench: $(VENV)/.installed-dev
	@for file in tests/benchmarks/bench_*.py; do $(BIN)/python "$$file" || exit; done

fifty: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/many_seeds.py 50

# All versions anew but torch's: its newest build for this platform may be gigabytes of another.
constraints: constraints.txt
	@set -eu; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	grep '^torch==' constraints.txt > "$$fresh/torch.txt"; grep '^#' constraints.txt > "$$fresh/new.txt"; \
	$(PYTHON) -m venv "$$fresh/venv"; \
	"$$fresh/venv/bin/python" -m pip install --quiet -c "$$fresh/torch.txt" -e '.[dev]'; \
	"$$fresh/venv/bin/python" -m pip list --format=freeze --exclude gpt-bug-grader --exclude pip \
		| sed 's/+.*//' >> "$$fresh/new.txt"; \
	cp "$$fresh/new.txt" constraints.txt

clean:
	rm -rf $(VENV) $(STANDARD) .venv-verifiers .venv-openenv report.html result.json build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(make-venv)
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	@$(make-venv)
	$(PIP_INSTALL) -e '.[dev]'
	@touch $(VENV)/.installed $@

# The build of torch that pip takes by default: for Linux, the one with libraries for GPUs. With === it
# does not take one of the same number for CPUs that it may find as well.
$(STANDARD)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(STANDARD)
	$(STANDARD)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		"$$(grep '^torch==' constraints.txt | sed 's/==/===/')"
	$(STANDARD)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(STANDARD)/bin/python -c 'import sys, torch; print("torch", torch.__version__); sys.exit(None if torch.version.cuda \
		else "this is no build with libraries for GPUs; does pip look in another place?")'
	@touch $@

# By site.addsitedir the editable install of .venv counts too.
.venv-%/.installed: $(VENV)/.installed-dev
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check \
		"$$(sed -n 's/^$* = \["\(.*\)"\]$$/\1/p' pyproject.toml)"
	echo "import site; site.addsitedir('$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')')" \
		> "$$(.venv-$*/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/dev.pth"
	@touch $@

define make-venv
$(PYTHON) -c 'import sys; sys.exit("grader needs Python 3.11 or newer; PYTHON=... names another one" if sys.version_info < (3, 11) else 0)'; \
echo "Installing into $(VENV); the first time this takes a minute or more, most of it PyTorch."; \
$(PYTHON) -m venv $(VENV)
endef
