"""Measure how long the template takes to generate a project and to add a module.

The `cookiecutter` command renders this template with and without its hooks, and a template with a
single file. The small template shows cookiecutter's own share of the time.
"""

import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.helpers.serving import free_port
from tools.template import TEMPLATE, environment

from .report import machine, write_section

ROUNDS = 15
STARTS = 5
#: The maximum seconds for a generation and for a module.
GENERATION_TARGET, MODULE_TARGET = 0.6, 2

REPORT = """\
`python -m benchmarks.generation`, on {machine}

Generation of the default project, median of {rounds} rounds. Each round runs every row once.

| template | seconds |
| --- | --- |
{generations}

A generation takes {generation:.2f} seconds, which {judged_generation}. The one-file template shows
cookiecutter's own share. Each hook starts another Python process. The second hook also runs git to
record the template.

From the command `cookiecutter` to the first 200 of `GET /examples`, on SQLite, median of {starts}
rounds.

| part | seconds |
| --- | --- |
{parts}

uv doesn't compile packages to bytecode, so the first start compiles them.

A module takes {module:.2f} seconds, which {judged_module}.
"""


def main() -> None:
    """Measure, print and save the times; exit with 1 if one misses its target."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rounds = measure_generations(folder)
        starts = measure_starts(folder)
    medians = {name: statistics.median(times) for name, times in rounds.items()}
    generation, module = medians["this template"], medians.pop("a module")
    markdown = REPORT.format(
        machine=machine(),
        rounds=ROUNDS,
        generations="\n".join(f"| {name} | {seconds:.2f} |" for name, seconds in medians.items()),
        generation=generation,
        judged_generation=judge(generation, GENERATION_TARGET),
        starts=len(starts),
        parts="\n".join(
            f"| {name} | {statistics.median(part[name] for part in starts):.2f} |"
            for name in starts[0]
        ),
        module=module,
        judged_module=judge(module, MODULE_TARGET),
    )
    print(markdown)
    write_section("The template's own speed", markdown)
    sys.exit(generation > GENERATION_TARGET or module > MODULE_TARGET)


def judge(seconds: float, target: float) -> str:
    return f"{'misses' if seconds > target else 'meets'} the target of at most {target}"


def measure_generations(folder: Path) -> dict[str, list[float]]:
    """Render each template and a module in each round; return the times by name."""
    smallest = make_smallest(folder / "smallest")
    rounds: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        output = folder / str(number)
        row = {
            "one file": generate(smallest, output / "smallest"),
            "this template without its hooks": generate(
                TEMPLATE, output / "unhooked", "--accept-hooks=no"
            ),
            "this template": generate(TEMPLATE, output / "this"),
            "a module": make_module(output / "this" / "my-app"),
        }
        shutil.rmtree(output)
        if number:  # The first round fills the caches.
            for name, seconds in row.items():
                rounds.setdefault(name, []).append(seconds)
    return rounds


def measure_starts(folder: Path) -> list[dict[str, float]]:
    """Measure a project from its generation to its first response; return times by part."""
    rounds = [start(folder / f"start-{number}") for number in range(STARTS + 1)]
    return rounds[1:]  # The first round fills the caches.


def make_smallest(template: Path) -> Path:
    (template / "{{cookiecutter.slug}}").mkdir(parents=True)
    (template / "cookiecutter.json").write_text(json.dumps({"slug": "app"}))
    (template / "{{cookiecutter.slug}}" / "README.md").write_text("{{cookiecutter.slug}}\n")
    return template


def generate(template: Path, output: Path, *options: str) -> float:
    """Generate a project with cookiecutter and return the wall time in seconds."""
    command = str(Path(sys.executable).with_name("cookiecutter"))
    arguments = ["--no-input", "--default-config", "--output-dir", str(output), *options]
    return run([command, *arguments, str(template)], template)


def make_module(project: Path) -> float:
    """Create a module with a few fields and return the wall time in seconds."""
    fields = "number:str:unique total:decimal placed_at:datetime? example_id:ref(examples)"
    return run([sys.executable, "-m", "scaffold", "orders", "--fields", fields], project)


def start(folder: Path) -> dict[str, float]:
    """Render, install and start a project like `make app`; return the seconds by part."""
    project = folder / "my-app"
    uv = str(Path(sys.executable).with_name("uv"))
    python = project / ".venv" / "bin" / "python"
    install = [uv, "pip", "install", "--python", str(python), "--requirement", "requirements.txt"]
    parts = {
        "render": generate(TEMPLATE, folder),
        "create the environment": run([uv, "venv", "--python", sys.executable], project),
        "install from a warm cache": run(install, project),
        "first start": serve(project, [str(python), "main.py"]),
    }
    parts["sum"] = sum(parts.values())
    parts["a later start"] = serve(project, [str(python), "main.py"])
    return parts


def serve(project: Path, command: list[str]) -> float:
    """Start a project and return the seconds until its first response."""
    port = str(free_port())
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--port", port],
        cwd=project,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until(lambda: client.get("/examples").status_code == 200)
        return time.perf_counter() - begin
    finally:
        process.terminate()
        process.wait()


def wait_until(responds: Callable[[], bool]) -> None:
    """Wait for a response, for at most 30 seconds."""
    for attempt in itertools.count():
        try:
            if responds():
                return
        except httpx.TransportError:
            if attempt == 3000:
                raise
        time.sleep(0.01)


def run(command: list[str], folder: Path) -> float:
    """Run a command and return the wall time in seconds."""
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
