"""Pin the newest versions that the rendered pyproject.toml admits, for each database.

Writes `templates/<database>/requirements.txt`, for every platform and Python.
"""

import subprocess
import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parent.parent
HEADER = """\
# What serving needs, in the versions the project was tested with. `uv run` goes by
# pyproject.toml and uv.lock; write this file anew from pyproject.toml with:
#   uv pip compile --universal --no-header --no-annotate pyproject.toml -o requirements.txt
"""


def main() -> None:
    """Write the three files."""
    for database in ("sqlite", "postgresql", "mysql"):
        with tempfile.TemporaryDirectory() as folder:
            project = cookiecutter(
                str(TEMPLATE),
                no_input=True,
                default_config=True,
                output_dir=folder,
                extra_context={"database": database},
            )
            pins = subprocess.run(
                [
                    "uv",
                    "pip",
                    "compile",
                    "--quiet",
                    "--universal",
                    "--python-version=3.10",
                    "--no-header",
                    "--no-annotate",
                    "pyproject.toml",
                ],
                cwd=project,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        (TEMPLATE / "templates" / database / "requirements.txt").write_text(HEADER + pins)


if __name__ == "__main__":
    main()
