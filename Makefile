# SPDX-License-Identifier: Apache-2.0
# Copyright 2026 dmpcrl_ros developers

# Works on a machine without ROS 2 (its wheels are installed) and where ROS 2 Jazzy is sourced.
# make PYTHON=/path/to/python3.12 ... chooses the Python, make VENV=folder ... another environment.
VENV ?= .venv
DOCS ?= .venv-docs
ARGS ?=
# Wheels of the real ros2 launch and command line, for test/launch where no ROS 2 is sourced.
ROS2_TOOLS ?= ../shared/ros2-tools

# Any Python that runs will do to start the set-up, which then finds the right one.
STARTER = $(firstword $(foreach p,$(PYTHON) python3 python3.12 python3.11,$(if $(shell $(p) -c 'print(1)' 2>/dev/null),$(p))))
SETUP = $(or $(STARTER),$(error Python is missing: sudo apt install python3 python3-venv python3-dev)) \
  tools/setup_environment.py --environment '$(VENV)' $(if $(PYTHON),--python '$(PYTHON)') $(if $(VERSIONS),--versions $(VERSIONS))

# The environment below is not to inherit another environment's ROS 2, nor half of its own.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE PYTHONHOME VIRTUAL_ENV
ifdef ROS_DISTRO
  export AMENT_PREFIX_PATH := $(abspath $(VENV)):$(AMENT_PREFIX_PATH)
  export LD_LIBRARY_PATH := $(abspath $(VENV))/lib:$(LD_LIBRARY_PATH)
else
  unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH
endif

# One thread for each process, checked message fields, no traffic beyond this machine, only the
# plugins named here, and no source folder in sys.path before the installed package.
TEST_ENVIRONMENT = OMP_NUM_THREADS=1 ROS_PYTHON_CHECK_FIELDS=1 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
  PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONSAFEPATH=1 DMPCRL_ROS2_TOOLS='$(abspath $(VENV))/ros2-tools'

# Tests with nodes wait more than they compute.
WORKERS = $(or $(shell expr 3 '*' $$(nproc) / 2),auto)

.PHONY: help setup demo demo-physics test lint format docs bench test-jazzy clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' Makefile | expand -t 14

setup:  ## make or update the environment
	@$(SETUP)

demo: setup  ## let a few agents learn to control a chain, over ROS 2
	@'$(VENV)/bin/dmpcrl' demo $(ARGS)

demo-physics:  ## let agents learn to control carts in MuJoCo, in real time; three minutes
	@$(SETUP) --physics
	@'$(VENV)/bin/python' simulators/demonstration $(ARGS)

test: lint  ## lint and run all tests against the installed package; ARGS=... for pytest
	@$(SETUP) --physics --ros2-tools '$(ROS2_TOOLS)'
	@$(TEST_ENVIRONMENT) '$(VENV)/bin/python' -m pytest -p xdist -n $(WORKERS) --dist worksteal $(ARGS) test

# What NumPy and matplotlib say of their types differs by version: types are checked with the current ones only.
lint: setup  ## check style, format and types of the sources
	@'$(VENV)/bin/ruff' check --quiet
	@'$(VENV)/bin/ruff' format --check --quiet || { echo 'make format corrects the format' >&2; exit 1; }
	@$(if $(ROS_DISTRO)$(filter jazzy,$(VERSIONS)),,'$(VENV)/bin/mypy' --no-error-summary)

format: setup  ## format the sources
	@'$(VENV)/bin/ruff' check --fix --select I --quiet
	@'$(VENV)/bin/ruff' format

docs: $(DOCS)/complete  ## build the site of guides and API: docs/_build/index.html
	@'$(DOCS)/bin/sphinx-build' --quiet --fail-on-warning --keep-going --fresh-env -c docs . docs/_build

$(DOCS)/complete: requirements/docs.txt | setup
	@'$(VENV)/bin/python' -m venv --clear '$(DOCS)'
	@'$(DOCS)/bin/pip' --disable-pip-version-check --quiet install --no-deps -r $<
	@touch $@

bench: setup  ## measure solvers, exchanges and control steps
	@OMP_NUM_THREADS=1 '$(VENV)/bin/python' bench/run.py $(ARGS)

ifdef ROS_DISTRO
test-jazzy: test  ## test with the Python packages of Jazzy's Ubuntu 24.04 (needs Python 3.12)
else
test-jazzy:
	@$(MAKE) --no-print-directory test VENV=.venv-jazzy VERSIONS=jazzy
endif

clean:  ## remove environments and everything built
	rm -rf .venv .venv.* .venv-jazzy .venv-jazzy.* .venv-docs docs/_build docs/api build install log dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
