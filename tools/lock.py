"""Pin the newest versions that the rendered pyproject.toml allows, for each database.

Writes `templates/database/<database>/requirements.txt`, for every platform and Python. The pins of
projects with authentication are in `requirements-oidc.txt`.
"""

import tempfile
from itertools import product

from .template import AUTHS, DATABASES, TEMPLATE, render, run


def main() -> None:
    """Write the pins for each database."""
    for database, auth in product(DATABASES, AUTHS):
        with tempfile.TemporaryDirectory() as folder:
            project = render(folder, database=database, auth=auth)
            run("make upgrade", project)
            pins = (project / "requirements.txt").read_text()
        name = "requirements.txt" if auth == "none" else f"requirements-{auth}.txt"
        (TEMPLATE / "templates" / "database" / database / name).write_text(pins)


if __name__ == "__main__":
    main()
