PYTHON ?= python3
PORT ?= 8000
DATABASE ?= sqlite
SESSION_STYLE ?= controller

BIN := $(CURDIR)/.venv/bin
READY := .venv/.ready
APP := build/$(DATABASE)-$(SESSION_STYLE)/my-app

# Rendered projects find this uv, and take the Python that is here.
export PATH := $(BIN):$(PATH)
export UV_PYTHON_DOWNLOADS := never

.PHONY: app test lint format lock examples pictures release bench bench-serving bench-quick clean

# Render a project, install it and serve it; without the hooks, which are for its owner.
app: $(READY)
	$(BIN)/cookiecutter --default-config --no-input --overwrite-if-exists --accept-hooks no \
		--output-dir $(dir $(APP)) . database=$(DATABASE) session_style=$(SESSION_STYLE)
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(APP)/.venv
	$(BIN)/uv pip install --quiet --python $(APP)/.venv --requirement $(APP)/requirements.txt
	@settings=$$($(BIN)/python -m tools.servers $(DATABASE)) && \
		echo "Rendered to $(APP); serving on http://127.0.0.1:$(PORT)" && \
		cd $(APP) && exec env $$settings .venv/bin/python main.py --port $(PORT)

# Everything; make test PYTEST='-m "not matrix"' leaves out what takes minutes.
test: lint
	$(BIN)/pytest $(PYTEST)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Pin the newest versions in what will be the rendered requirements.txt.
lock: $(READY)
	$(BIN)/python -m tools.lock

# Write the rendered src/examples anew, as the scaffold makes it.
examples: $(READY)
	$(BIN)/python -m tools.examples

# Record the terminal and take the screenshot of the README again; writes docs/pictures.
pictures: $(READY)
	$(BIN)/python -m tools.pictures

# Make a release of the last commit: make release VERSION=0.1.0
release: $(READY)
	$(BIN)/python -m tools.releases $(VERSION)

# Measure how fast projects serve and the template generates; writes benchmarks/RESULTS.md.
bench: bench-serving
	$(BIN)/python -m benchmarks.generation

# The part of bench about serving.
bench-serving: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.page

# Check that all contenders give the same responses, with each optimisation taken back too.
bench-quick: $(READY)
	$(BIN)/python -m benchmarks.serving --quick

clean:
	rm -rf .venv build

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "uv>=0.9,<1"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group dev
	touch $@
