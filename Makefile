# make demo    set up .venv and run the main job
# make test    set up .venv with the test tools; lint, types and all tests
# make claims  run every study at cpu scale and save its tables under results/

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-slow lint types claims benchmarks clean help

help:
	@sed -n '1,3s/^# //p' Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "hackproof needs Python 3.11 or later; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install -q -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install -q -e '.[dev]'
	@touch $@

demo: .venv/.installed
	$(BIN)/hackproof run pan-2022-glucose --scale cpu

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/pyright

test: lint types
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m 'not slow'

test-slow: .venv/.installed-dev
	$(BIN)/pytest -n $(WORKERS) -m slow

claims: .venv/.installed
	$(BIN)/python results/make.py

benchmarks: .venv/.installed-dev
	$(BIN)/python benchmarks/glucose_world.py
	$(BIN)/python benchmarks/ppo_vs_sb3.py
	$(BIN)/python benchmarks/kill_and_resume.py
	$(BIN)/python benchmarks/cli_startup.py
	$(BIN)/python benchmarks/simglucose_agreement.py
	$(BIN)/python benchmarks/safety_radius.py
	$(BIN)/python benchmarks/safety_radius.py --growth
	$(BIN)/python benchmarks/safety_radius.py --parts
	$(BIN)/python benchmarks/radius_alternatives.py
	$(BIN)/python benchmarks/world_speed.py
	$(BIN)/python benchmarks/organism_speed.py
	$(BIN)/python benchmarks/sandbox_speed.py
	$(BIN)/python benchmarks/grader_hacks.py --tasks 20
	$(BIN)/python benchmarks/riverraid_agreement.py
	$(BIN)/python benchmarks/recommender_loop.py
	$(BIN)/python benchmarks/audit_rates.py
	$(BIN)/python benchmarks/detectors.py
	$(BIN)/python benchmarks/sumo_agreement.py
	$(BIN)/python benchmarks/traffic_bottleneck.py
	$(BIN)/python benchmarks/pan_map.py results/pan-2022 results/pan-2022-traffic \
	  results/pan-2022-pandemic results/pan-2022-riverraid
	$(BIN)/python benchmarks/pan_facts.py
	$(BIN)/python benchmarks/pandemic_holds.py
	$(BIN)/python benchmarks/pan_vs_sb3.py runs/claims-pan-2022
	$(BIN)/python benchmarks/pan_detectors.py runs/claims-pan-2022

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
