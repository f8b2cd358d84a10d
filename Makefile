PYTHON ?= python3
PORT ?= 8000
DATABASE ?= sqlite
SESSION_STYLE ?= controller

BIN := $(CURDIR)/.venv/bin
READY := .venv/.ready
APP := build/$(DATABASE)-$(SESSION_STYLE)/my-app

# Commands in rendered projects use this uv and the installed Python.
export PATH := $(BIN):$(PATH)
export UV_PYTHON_DOWNLOADS := never
# Without compiled packages, each start of a tool takes longer.
unexport PYTHONDONTWRITEBYTECODE

# Options for `make site`.
SITE ?=

.PHONY: app test lint format lock examples pictures shop site sites release bench bench-serving bench-quick clean

# Render a project without hooks, which would remove empty folders; install it and serve it.
app: $(READY)
	$(BIN)/cookiecutter --default-config --no-input --overwrite-if-exists --accept-hooks no \
		--output-dir $(dir $(APP)) . database=$(DATABASE) session_style=$(SESSION_STYLE)
	find $(APP)/deploy $(APP)/observability -depth -type d -empty -delete
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(APP)/.venv
	$(BIN)/uv pip install --quiet --no-deps --python $(APP)/.venv --requirement $(APP)/requirements.txt
	@settings=$$($(BIN)/python -m tools.servers $(DATABASE)) && \
		echo "Rendered to $(APP); serving on http://127.0.0.1:$(PORT)" && \
		cd $(APP) && exec env $$settings .venv/bin/python main.py --port $(PORT)

# Run lint and all tests; PYTEST='-m "not matrix"' skips the slow ones.
test: lint
	$(BIN)/pytest $(PYTEST)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Pin the newest versions in requirements.txt of new projects.
lock: $(READY)
	$(BIN)/python -m tools.lock

# Regenerate the rendered examples module with the scaffold.
examples: $(READY)
	$(BIN)/python -m tools.examples

# Record the terminal, take the screenshot for the README, and draw; writes docs/pictures.
pictures: $(READY)
	$(BIN)/python -m tools.pictures
	$(BIN)/python -m tools.site.drawings

# Follow the pages of the worked example into a new git repository: make shop FOLDER=/tmp/shop
shop: $(READY)
	$(BIN)/python -m tools.shop $(FOLDER)

# Build the site from the work tree; writes build/site.
site: $(READY)
	rm -rf build/shop
	mkdir -p build
	$(BIN)/python -m tools.shop build/shop
	$(BIN)/python -m tools.site build/site --shop build/shop $(SITE)

# Build the sites of the work tree and of all releases; writes build/sites.
sites: $(READY)
	$(BIN)/python -m tools.site.publish build/sites

# Release the last commit: make release VERSION=0.1.0
release: $(READY)
	$(BIN)/python -m tools.releases $(VERSION)

# Measure the speed of projects and of the template; write benchmarks/RESULTS.md.
bench: bench-serving
	$(BIN)/python -m benchmarks.generation

# Measure only the speed of projects.
bench-serving: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.page

# Check that all contenders give the same responses, also without each optimisation.
bench-quick: $(READY)
	$(BIN)/python -m benchmarks.serving --quick

clean:
	rm -rf .venv build

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "uv>=0.9,<1"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group dev
	touch $@
