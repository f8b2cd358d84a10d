"""How long a generation takes, beside one of a template with a single file and no hooks.

Both are run by cookiecutter's command, in turn, many times; what counts is the median of the
rounds' ratios. The target is 1.3.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
TARGET = 1.3
TEMPLATE = Path(__file__).parent.parent


def main() -> None:
    """Print the times and their ratio; exit 1 if it is over the target."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        smallest = folder / "smallest"
        (smallest / "{{cookiecutter.slug}}").mkdir(parents=True)
        (smallest / "cookiecutter.json").write_text(json.dumps({"slug": "app"}))
        (smallest / "{{cookiecutter.slug}}" / "README.md").write_text("{{cookiecutter.slug}}\n")
        rounds = [
            (seconds(smallest, folder / f"a{number}"), seconds(TEMPLATE, folder / f"b{number}"))
            for number in range(ROUNDS + 1)
        ][1:]  # the first one fills the caches
    ratio = statistics.median(ours / theirs for theirs, ours in rounds)
    theirs, ours = (statistics.median(times) for times in zip(*rounds, strict=True))
    print(f"one-file template  {theirs:.3f} s")
    print(f"this template      {ours:.3f} s")
    print(f"ratio              {ratio:.2f} (median of {ROUNDS} rounds; target {TARGET})")
    sys.exit(ratio > TARGET)


def seconds(template: Path, output: Path) -> float:
    """Generate a project with cookiecutter and return the wall time."""
    command = Path(sys.executable).with_name("cookiecutter")
    arguments = ["--no-input", "--default-config", "--output-dir", str(output), str(template)]
    start = time.perf_counter()
    subprocess.run([command, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
