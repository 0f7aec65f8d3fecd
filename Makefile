# A newcomer needs make demo and make test. PYTHON may be 3.11, 3.12 or 3.13.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
BIN := .venv/bin
READY := .venv/ready
PEERS := .venv/peers
TOOLS := .venv/tools
SITE := .venv/site
READERS := .venv/readers
# For a longer benchmark: make bench BENCH="--rows 1000000 5000000 20000000 --rate 20"
BENCH ?=

.PHONY: help demo test test-all test-prefect check check-images check-wheel docs check-docs fix lock \
	readers bench chaos clean

help:
	@echo "make demo          export from a stand-in tenant, and query the result (a minute)"
	@echo "make test          all fast tests; randomised tests run a sample"
	@echo "make test-all      everything that needs no network, with slow, chaos and Prefect tests"
	@echo "make readers       install the engines of docs/readers.md, and try its programs in them"
	@echo "make test-prefect  the tests that need a running Prefect server"
	@echo "make check         format, lint, types, import rules, lock files"
	@echo "make check-images  lint Dockerfile, compose.yaml and Kubernetes files"
	@echo "make check-wheel   build the wheel and use it in empty environments; prints its size"
	@echo "make docs          build the site of docs/ in site/, for any browser"
	@echo "make check-docs    the site for links, anchors, lists; and all commands of how-to pages"
	@echo "make fix           format, and fix what the linter can fix"
	@echo "make lock          renew the lock files after dependencies have changed"
	@echo "make bench         measure against other tools; writes docs/performance"
	@echo "make chaos         kill exports at random moments (slow)"

# Also as constraints: pip before 24 picks the newest version of a requirement with an extra.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python3.12"; exit 1; }
	@echo "installing into .venv (a minute or two) …" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -c requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nxp demo
	@echo "to use nxp in this shell: source $(BIN)/activate" >&2

# Empty is unset. Otherwise each process of the tests compiles all test modules again: 6 s of CPU.
test test-all test-prefect readers chaos: export PYTHONDONTWRITEBYTECODE =

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile -m "not chaos and not prefect and not slow"

test-all: $(READY)
	NXP_TEST_WHOLE=1 $(BIN)/pytest -n 2 --dist loadfile -m "not chaos"
	$(MAKE) chaos

# Each program of docs/readers.md is tried in its own engine; Spark needs Java too.
$(READERS)/ready: benchmarks/readers.txt $(READY)
	@$(PYTHON) -m venv $(READERS)
	@$(READERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/readers.txt
	@touch $(READERS)/ready

readers: $(READERS)/ready
	$(BIN)/pytest -rs -m slow tests/integration/docs/test_readers.py

# One after the other: they share one server, whose SQLite answers 503 when many write at once.
test-prefect: $(READY)
	$(BIN)/pytest -m "prefect and not chaos"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_lock.py

$(TOOLS)/ready: deployments/images/tools.lock $(READY)
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deployments/images/tools.lock -c deployments/images/tools.lock
	@touch $(TOOLS)/ready

check-images: $(TOOLS)/ready
	$(TOOLS)/bin/python scripts/check_images.py

$(SITE)/ready: deployments/images/site.lock $(READY)
	@$(PYTHON) -m venv $(SITE)
	@$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deployments/images/site.lock -c deployments/images/site.lock
	@touch $(SITE)/ready

# Pages that need a Prefect server (the tutorial, how to write a dataset) are followed by test-prefect.
# The variable: Material announces its successor at each start (docs/decisions/0016-site.md).
docs: $(SITE)/ready
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict
	@echo "site/index.html opens in a browser; with search: python -m http.server --directory site"

check-docs: $(SITE)/ready
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict --site-dir $(SITE)/built
	$(BIN)/pytest -q -m "not prefect" tests/integration/docs

check-wheel: $(READY)
	$(BIN)/python scripts/try_wheel.py

fix: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY)
	$(BIN)/python scripts/check_lock.py --renew

$(PEERS)/ready: benchmarks/peers.txt $(READY)
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	@touch $(PEERS)/ready

bench: $(PEERS)/ready
	$(BIN)/python -m benchmarks.everyday --peers-python $(PEERS)/bin/python
	$(BIN)/python -m benchmarks.scheduled_start
	$(BIN)/python -m benchmarks.landing --peers-python $(PEERS)/bin/python $(BENCH)
	$(BIN)/python -m benchmarks.landing --peers-python $(PEERS)/bin/python --suffix gz
	$(BIN)/python -m benchmarks.landing --peers-python $(PEERS)/bin/python --suffix csv
	$(BIN)/python -m benchmarks.landing.ratios
	$(PEERS)/bin/python -m benchmarks.plots
	$(BIN)/python -m benchmarks.queries
	$(BIN)/python -m benchmarks.sql_landing
	$(BIN)/python -m benchmarks.sql_landing sqlite:///$(shell mktemp -u)
	$(BIN)/python -m benchmarks.orchestration

chaos: $(READY)
	NXP_TEST_WHOLE=1 $(BIN)/pytest -m chaos

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
