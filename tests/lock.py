"""Pin the newest versions that the rendered pyproject.toml admits, for each database.

Writes `templates/<database>/requirements.txt`, for every platform and Python.
"""

import tempfile
from pathlib import Path

from cookiecutter.main import cookiecutter

from .projects import TEMPLATE, run


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
            run("make lock", Path(project))
            pins = Path(project, "requirements.txt").read_text()
        (TEMPLATE / "templates" / database / "requirements.txt").write_text(pins)


if __name__ == "__main__":
    main()
