# make run     set up and run the first scenario        make test    set up and run the fast tests
# make verify  the slower tests as well                 make bench   compare the integrator with its peers
SHELL := /bin/sh
VENV ?= .venv
export VENV PYTHON
RUN := $(VENV)/bin/python -m
SETUP := ./requirements/install.sh
PYTEST := $(RUN) pytest --durations=15 -q
# A process for each core, up to four; the tests of a file stay together, as they share what was made for them.
SPREAD := -n auto --maxprocesses 4 --dist loadfile
SCENARIO ?= configs/emerald1.toml
PYTHONS ?= python3.11 python3.12 python3.13

.PHONY: help run test verify soak pythons bench evidence docs pictures bill audit setup lock clean

help:
	@echo "make run       set up, then tme-sim run $(SCENARIO)"
	@echo "make test      set up, then the fast tests (pack F)"
	@echo "make verify    the slower tests as well (pack N), up to an hour"
	@echo "make soak      the tests before a release (pack S)"
	@echo "make pythons   set-up and fast tests on each of $(PYTHONS) that is there"
	@echo "make bench     work-precision comparison with other integrators"
	@echo "make evidence  the board of published observations"
	@echo "make docs      the documentation site"
	@echo "make pictures  every picture of the gallery again, by the model of today (needs Chromium)"
	@echo "make bill      what the core installs: versions, hashes, licences (CycloneDX)"
	@echo "make audit     known weaknesses of every package that the locks install (needs the network)"
	@echo "make lock      renew the hash locks (needs uv)"

setup:
	@$(SETUP) run

run:
	@$(SETUP) run
	@$(RUN) tme_sim run $(SCENARIO)

test:
	@$(SETUP) test
	$(PYTEST) $(SPREAD) -m "not slow and not bench and not soak"

verify: test
	$(PYTEST) -m "slow and not bench and not soak"

soak:
	@$(SETUP) test
	$(PYTEST) -m "soak"

pythons:
	@for python in $(PYTHONS); do \
	    if ! $$python --version >/dev/null 2>&1; then echo "pythons: $$python is not there and is left out"; continue; fi; \
	    echo "pythons: $$python"; \
	    $(MAKE) --no-print-directory test VENV=.venv-$${python##*/} PYTHON=$$python || exit 1; \
	done

bench:
	@$(SETUP) bench
	@if ! $(RUN) pip install --quiet --disable-pip-version-check --require-hashes \
	    --no-build-isolation -r requirements/bench-source.txt 2>/dev/null; then \
	    echo "bench: numbalsoda does not build here (it needs a C++ and a Fortran compiler and CMake) and is left out"; fi
	$(RUN) benchmarks

evidence:
	@$(SETUP) test
	$(RUN) tests.evidence

docs:
	@$(SETUP) docs
	$(RUN) sphinx -W -b html docs docs/_build/html
	$(VENV)/bin/python docs/check_site.py docs/_build/html

pictures:
	@$(SETUP) test
	$(VENV)/bin/python docs/pictures

bill:
	@$(SETUP) run
	@$(VENV)/bin/python requirements/bill.py build/bill.json

audit:
	@$(SETUP) audit
	@$(VENV)/bin/python requirements/audit.py

lock:
	./requirements/lock.sh

clean:
	rm -rf $(VENV) .venv-* build dist src/*.egg-info
