# make serve: start in sandbox mode.  make test: the whole suite.  Both set everything up.
# A distribution's Python is built with profiles, one compiled by a version manager seldom is: that
# is a fifth of all CPU time. `make PYTHON=…` takes another one, and `make bench` shows the difference.
FITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell /usr/bin/python3 -c '$(FITS)' 2>/dev/null && echo /usr/bin/python3 || echo python3)
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without its bytecode each of the many servers that tests start compiles half a thousand files.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: serve test check bench crash binary lock clean

serve: .venv/runtime
	@exec $(BIN)/python app.py serve

# A test that waits for ever fails after five minutes, named, instead of keeping all others waiting.
test: .venv/dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile --max-worker-restart 0 \
	  -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

crash: .venv/dev
	$(BIN)/python -m pytest -m slow

bench: .venv/bench
	$(BIN)/python -m benchmarks

# One executable, dist/daftari, for machines of this kind; it brings Python and PostgreSQL along.
binary: .venv/binary
	$(BIN)/pyinstaller --noconfirm --log-level WARN daftari.spec

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/runtime: requirements/runtime.txt | .venv/bin/python
	$(BIN)/python -m pip install -q --require-hashes -r $<
	@touch $@

.venv/dev: requirements/dev.txt .venv/runtime | .venv/bin/python
	$(BIN)/python -m pip install -q --require-hashes -r $<
	@touch $@

.venv/bench: requirements/bench.txt .venv/dev | .venv/bin/python
	$(BIN)/python -m pip install -q --require-hashes -r $<
	@touch $@

.venv/binary: requirements/binary.txt .venv/runtime | .venv/bin/python
	$(BIN)/python -m pip install -q --require-hashes -r $<
	@touch $@

# After a change of pyproject.toml; needs pip-tools in .venv.
lock:
	$(BIN)/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --extra sandbox -o requirements/runtime.txt pyproject.toml
	$(BIN)/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --extra sandbox --extra dev -o requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --extra sandbox --extra dev --extra bench -o requirements/bench.txt pyproject.toml
	$(BIN)/pip-compile -q --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --allow-unsafe --extra sandbox --extra binary -o requirements/binary.txt pyproject.toml

clean:
	rm -rf .venv data build dist
