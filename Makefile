# make demo   a login from end to end on this machine, with a simulated phone
# make test   the tests, in WORKERS=4 processes; as root on Debian it installs the real servers they need
# make test-all  also the long tests, with the branch coverage of all processes
# make lint   format, lint, types, import rules
# make wheel  the wheel, in dist/; installs what building needs and nothing else, into a separate environment
# make deb    the Debian package, in dist/; docs/install.md says how to install it
# make man    manual pages generated from the commands, in dist/man: man -l dist/man/radius-voice.1
# make story  produce the login that docs/login-story.md shows
# make fuzz   hostile octets under atheris, SECONDS=60 for each target
# make bench  what the server costs, beside its peers; with BENCH=--page, docs/performance.md is written again

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .venv-wheel
SECONDS ?= 60
WORKERS ?= 4
PARALLEL := --numprocesses $(WORKERS) --dist worksteal
MEASURED := tests/login tests/radius
FUZZED := wire password yaml configuration users provider

# Modules are compiled once and not in each of the many processes, also where the environment says otherwise.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all fuzz lint bench story wheel man deb peers

demo: $(VENV)/ready
	@$(BIN)/radius-voice demo

test: $(VENV)/ready-dev peers
	$(BIN)/pytest $(PARALLEL) --cov --cov-fail-under=100 $(MEASURED)
	$(BIN)/pytest $(PARALLEL) $(MEASURED:%=--ignore=%)

test-all: export RADIUS_VOICE_LONG := 1
test-all: $(VENV)/ready-dev peers
	$(BIN)/pytest $(PARALLEL) --cov --cov-config=tests/coverage.toml --cov-fail-under=95

fuzz: $(VENV)/ready-dev
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@for target in $(FUZZED); do $(BIN)/python -m tests.fuzz $$target $(SECONDS) || exit 1; done

lint: $(VENV)/ready-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready-dev peers
	for bench in login_cpu voice_rate time_to_ring open_rows life passwords identity_sources reject_timing password_flood; do $(BIN)/python bench/$$bench.py $(BENCH) || exit 1; done

story: $(VENV)/ready-dev peers
	$(BIN)/python docs/produce_login_story.py

wheel:
	@sh tests/peers/make-venv $(PYTHON) $(BUILD)
	$(BUILD)/bin/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

deb:
	@deploy/build-deb

man: $(VENV)/ready
	@$(BIN)/python -m radius_voice.cli.manual dist/man

peers:
	@sh tests/peers/install

$(VENV)/ready: pyproject.toml
	@sh tests/peers/make-venv $(PYTHON) $(VENV)
	@echo "installing radius-voice into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@echo "installing what tests need into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
