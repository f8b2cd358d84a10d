"""Make the pictures of the README from real runs: `make pictures`.

- `docs/pictures/recording.svg`: a terminal, from the questions of cookiecutter to the tests.
- `docs/pictures/docs-page.png`: the docs page of the service that was made there.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.helpers.repositories import snapshot

from .browser import HOST, open_page
from .template import TEMPLATE, environment, run
from .terminal import Recording, Shell, draw

FOLDER = TEMPLATE / "docs" / "pictures"
RECORDING = FOLDER / "recording.svg"
DOCS_PAGE = FOLDER / "docs-page.png"

#: The address in the README; git gets it from this repository.
URL = "https://github.com/org/pynest-async.git"
#: The answer to the first question; the others get their defaults.
NAME = "Tea Shop"
SLUG = "tea-shop"
CREATE = "uvx cookiecutter gh:org/pynest-async"
COMMIT = f'cd {SLUG} && git init -q && git add . && git commit -qm "Start from the template"'
SERVE = "make run &"
USE = """curl http://127.0.0.1:8000/examples --json '{"name": "Earl Grey"}'; echo"""
STOP = "kill %1; wait"
MODULE = 'make module name=orders fields="number:str:unique total:decimal placed_at:datetime?"'
TEST = "make test"

TITLE = "A terminal: cookiecutter asks, the service runs, a module is added, the tests pass"


def main() -> None:
    """Make all pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        recording = record(Path(folder))
        check(recording.text(), folder)
        RECORDING.write_text(draw(recording, TITLE), encoding="utf-8")
        with serving(Path(folder) / "work" / SLUG) as port:
            DOCS_PAGE.write_bytes(take_screenshot(port))


def record(folder: Path) -> Recording:
    """Make a project as the README says, with an empty home and the system's Python."""
    repository = snapshot(folder / "template")
    home, work, programs = (folder / name for name in ("home", "work", "bin"))
    for path in (home, work, programs):
        path.mkdir()
    for program in ("uv", "uvx"):
        (programs / program).symlink_to(shutil.which(program) or "")
    config = {"user.name": "Ada", "user.email": "ada@example.com", "init.defaultBranch": "main"}
    config[f"url.{repository}.insteadOf"] = URL
    for name, value in config.items():
        run(["git", "config", "--file", str(home / ".gitconfig"), name, value], folder)
    variables = {
        "HOME": str(home),
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "UV_CACHE_DIR": run("uv cache dir", folder).strip(),
        # The header has paths of this machine.
        "PYTEST_ADDOPTS": "--no-header",
    }
    prompts = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    # Otherwise, the first run would record how packages are downloaded.
    run("uvx cookiecutter --version", folder)

    shell = Shell(work, environment(**variables))
    shell.type(CREATE)
    for option, prompt in prompts["__prompts__"].items():
        asked = (
            "Choose from" if isinstance(prompt, dict) else prompt.partition(",")[0].split("(")[0]
        )
        shell.answer(asked, NAME if option == "project_name" else "")
    shell.wait()
    shell.run(COMMIT)
    shell.run(SERVE, until="Uvicorn running")
    # The server's log has moved the prompt out of sight.
    shell.run("")
    for command in (USE, STOP, MODULE, TEST):
        shell.run(command)
    return shell.recording


def check(text: str, folder: str) -> None:
    """Check that a recording shows success, and nothing of this machine.

    Raises:
        AssertionError: it shows something else; with its text.
    """
    unwanted = [folder, str(Path.home()), str(TEMPLATE), "Traceback", "rror: ", "Error ", "failed"]
    found = [each for each in unwanted if each in text]
    assert not found, f"{found} in the recording:\n{text}"
    assert " passed in " in text, text


@contextmanager
def serving(project: Path) -> Iterator[int]:
    """Serve a project on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    run("uv run --quiet alembic upgrade head", project)
    command = [".venv/bin/python", "main.py", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(300):
            assert server.poll() is None, command
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def take_screenshot(port: int) -> bytes:
    """Take a PNG of the docs page, with the new module open, which notes the schema it shows."""
    with open_page(width=860, height=100, scale=2) as page:
        page.goto(f"http://{HOST}:{port}/docs")
        for section in ("health", "examples", "default"):
            page.locator(f"#operations-tag-{section}").click()
        page.locator("section.models button").first.click()
        page.locator("h1, h2").first.click()
        # The clicked sections close slowly.
        page.wait_for_timeout(1000)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    notes = PngInfo()
    schema = httpx.get(f"http://127.0.0.1:{port}/openapi.json").json()
    notes.add_text("openapi", digest(schema))
    output = io.BytesIO()
    picture.convert("RGB").quantize(64).save(output, "PNG", optimize=True, pnginfo=notes)
    return output.getvalue()


def digest(schema: dict[str, Any]) -> str:
    """Return a short hash of an OpenAPI schema."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
