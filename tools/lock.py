"""Pin the newest versions that the rendered pyproject.toml allows, for each database.

Writes `templates/database/<database>/requirements.txt`, for every platform and Python.
"""

import tempfile

from .template import TEMPLATE, render, run


def main() -> None:
    """Write `requirements.txt` for each database."""
    for database in ("sqlite", "postgresql", "mysql"):
        with tempfile.TemporaryDirectory() as folder:
            project = render(folder, database=database)
            run("make upgrade", project)
            pins = (project / "requirements.txt").read_text()
        (TEMPLATE / "templates" / "database" / database / "requirements.txt").write_text(pins)


if __name__ == "__main__":
    main()
