# The same words everywhere: demo, test, check, bench. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
ORACLE := .venv-oracle/.ready
ANVIL := .tools/node_modules/.bin/anvil
MINUTES ?= 60
SEEDS ?= 200
FAULTS ?= 50

.PHONY: demo test test-pages test-rest thorough test-long-pages test-long-rest quick quick-processes quick-histories check bench soak pictures contracts system tools clean

demo: $(READY)
	$(PY) -m tallyman demo

# Everything that `make check` says, then every test that does not take long. As root it installs Chromium and
# PostgreSQL first; otherwise tests that need them are skipped and say which command would add them.
test: $(READY) system tools check
	@$(MAKE) --no-print-directory -k -j2 test-pages test-rest

# Side by side; `make check` ran the house already.
test-pages:
	$(PY) -m pytest tests/browser -m "not long"

test-rest:
	$(PY) -m pytest --ignore tests/browser --ignore tests/house -m "not long"

# What `make test` leaves out (tests/tiers.py), and the trial counts of the promises, two at a time.
thorough: $(READY) system tools
	@$(MAKE) --no-print-directory -k -j2 test-long-pages test-long-rest quick-processes quick-histories

test-long-pages:
	$(PY) -m pytest tests/browser -m long

test-long-rest:
	$(PY) -m pytest --ignore tests/browser --ignore tests/house -m long

# The trial counts of the promises alone (README, Commands): two halves side by side.
quick: $(READY)
	@$(MAKE) --no-print-directory -k -j2 quick-processes quick-histories

quick-processes:
	$(PY) -m tests.processes.kill_node --trials 300
	$(PY) -m tests.processes.kill_hub --trials 100
	$(PY) -m tests.devices.hostile --inputs 100000
	$(PY) -m tests.devices.kill_answers --trials 500
	$(PY) -m tests.devices.unplug --cycles 50
	$(PY) -m tests.browser.faults --faults $(FAULTS)
	$(PY) -m tests.browser.faults --planted

quick-histories:
	$(PY) -m tests.sim --seeds $(SEEDS)
	$(PY) -m tests.sim --planted
	$(PY) -m tests.web.fuzz --seconds 300
	$(PY) -m tests.web.fuzz --planted

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) -m contracts.build --check
	$(PY) -m pytest tests/house

bench: $(READY)
	$(PY) -m tests.bench

soak: $(READY)
	$(PY) -m tests.soak --minutes $(MINUTES)

# The README's pictures, by the tests that work with these screens.
pictures: $(READY)
	TALLYMAN_SCREENSHOTS=1 $(PY) -m pytest tests/browser/test_console.py tests/browser/test_count.py \
		tests/browser/test_floor.py -k "to_the_anchor or cannot_be_true or each_proof or picked_into"

contracts: $(READY)
	$(PY) -m contracts.build

$(READY): requirements.lock setup.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

# The independent engine that replays our blocks needs other versions of the same libraries: its own environment.
$(ORACLE): requirements-oracle.lock
	$(PYTHON) -m venv .venv-oracle
	.venv-oracle/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(ANVIL):
	@if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --no-save --prefix .tools \
		@foundry-rs/anvil@1.7.1; \
	else echo "skipped: anvil (the development chain for anchor tests) needs npm; install npm and repeat"; fi

tools: $(ORACLE) $(ANVIL)

# Only what is missing is asked for: Debian's npm refuses to stand beside a Node.js from elsewhere that brings its own.
system:
	@missing="$$(command -v chromium >/dev/null || echo chromium fonts-dejavu-core) \
		$$(ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql) \
		$$(command -v npm >/dev/null || echo npm)"; missing=$$(echo $$missing); \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else echo "tests that need them are skipped; add them with: sudo apt-get install $$missing"; fi

clean:
	rm -rf $(VENV) .venv-oracle .tools build *.egg-info .mypy_cache .ruff_cache .hypothesis
