# The environment is .venv in this folder; uv is installed into .uv where the machine has none.
UV_VERSION := 0.13.9
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .uv/bin/uv)
UV_READY := $(filter .uv/bin/uv,$(UV))
BIN := .venv/bin
REALDATA := $(or $(KETAPREDICT_REALDATA),../shared/realdata)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: env extras docs demo test test-slow lint types bench bench-scoring bench-spark bench-truth lock clean
env: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml .python-version | $(UV_READY)
	$(UV) venv -q --clear --no-python-downloads --python '>=3.12' .venv
	$(UV) pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@# Byte code makes imports four times faster. Importing writes that of what is used; all of it would be 70 MB more.
	@$(BIN)/python -W ignore -c "import ketapredict.training, ketapredict.cli, ketapredict.web.serve, ketapredict.simulate.fidelity, alembic.command, mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store, xgboost, matplotlib.figure, pyarrow.parquet, pytest, hypothesis"
	@touch $@

# The tools that read the code and never run it: not part of the environment that a user gets.
.lint/.ready: requirements-lint.lock .python-version | $(UV_READY)
	$(UV) venv -q --clear --no-python-downloads --python '>=3.12' .lint
	$(UV) pip sync -q --python .lint/bin/python --require-hashes requirements-lint.lock
	@touch $@

.uv/bin/uv:
	python3 -m venv .uv && .uv/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)

demo: env
	$(BIN)/ketapredict demo

# Two at a time; files whole, so that what a file's tests share is made once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15

test: env
	$(PYTEST) -m "not slow"

# Whole trainings, the README's commands, notebooks, the benchmarks on small input, Spark.
test-slow: env .extra/notebooks/.ready
	$(PYTEST) -m slow

docs: env
	$(BIN)/python docs/examples.py

lint: .lint/.ready
	.lint/bin/ruff check src tests benchmarks docs
	.lint/bin/ruff format --check src tests benchmarks docs

types: env .lint/.ready
	.lint/bin/mypy --python-executable $(BIN)/python

# What a person opens in data/ and the project makes; tests compare.
.PHONY: data
data: env
	$(BIN)/python -m ketapredict.cohort.dictionary data/
	$(BIN)/ketapredict simulate --courses 400 --seed 1 --output data/sample-cohort.csv

# The prior, the evidence models and their cards: package data; tests compare.
.PHONY: evidence
evidence: env
	$(BIN)/python -m ketapredict.prior.derive $(REALDATA)
	$(BIN)/python -m ketapredict.evidence_models $(REALDATA)

bench: env
	$(BIN)/python benchmarks/real_trials.py --subsamples 0

.PHONY: bench-serving
bench-serving: env
	$(BIN)/python benchmarks/serving.py

# Rows a second, stage by stage, and peak memory, on a million simulated courses.
bench-scoring: env
	$(BIN)/python benchmarks/scoring.py

# The same on local Spark, beside one machine; Java 17 must be there.
bench-spark: env .extra/spark/.ready
	$(BIN)/python benchmarks/scoring_spark.py

# What serves one kind of test only lies beside the environment, which stays small; tests find it there.
.extra/%/.ready: requirements-%.lock .python-version | .venv/.ready
	rm -rf $(@D)
	$(UV) pip install -q --python $(BIN)/python --no-deps --require-hashes -r $< --target $(@D)
	@touch $@

extras: .extra/notebooks/.ready .extra/browser/.ready .extra/spark/.ready

# Against known truths; about half an hour on two cores.
bench-truth: env .extra/bench/.ready
	$(BIN)/python benchmarks/interval_coverage.py --json src/ketapredict/data/interval-coverage.json
	PYTHONPATH=.extra/bench $(BIN)/python benchmarks/reported_performance.py
	PYTHONPATH=.extra/bench $(BIN)/python benchmarks/excess_log_loss.py

LOCK := pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.12
lock: | $(UV_READY)
	$(UV) $(LOCK) --group pyproject.toml:dev pyproject.toml -o requirements.lock
	$(UV) $(LOCK) --group pyproject.toml:lint -o requirements-lint.lock
	$(UV) $(LOCK) --no-deps --group pyproject.toml:bench -o requirements-bench.lock
	$(UV) $(LOCK) -c requirements.lock --group pyproject.toml:notebooks -o requirements-notebooks.lock
	$(UV) $(LOCK) -c requirements.lock --group pyproject.toml:browser -o requirements-browser.lock
	$(UV) $(LOCK) -c requirements.lock --group pyproject.toml:spark -o requirements-spark.lock

clean:
	rm -rf .venv .lint .extra .uv .pytest_cache .mypy_cache .ruff_cache
