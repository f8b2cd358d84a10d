"""Pin the newest versions that the rendered pyproject.toml allows, for each database.

Writes `templates/database/<database>/requirements.txt`, for every platform and Python. The versions
are resolved once, with all options on. A pin that only an option needs stands in a condition, so
that a project's pins are those that its own `make lock` writes.
"""

import tempfile
from itertools import product

from .template import AUTHS, DATABASES, TELEMETRIES, TEMPLATE, render, run

AUTH = 'cookiecutter.auth == "oidc"'
TELEMETRY = 'cookiecutter.telemetry == "opentelemetry"'
#: The choices of the options that add dependencies.
CHOICES = list(product(AUTHS, TELEMETRIES))
#: The conditions of a line, by its presence with each of `CHOICES`.
CONDITIONS: dict[tuple[bool, ...], str] = {
    (True, True, True, True): "",
    (False, False, True, True): AUTH,
    (False, True, False, True): TELEMETRY,
    (False, True, True, True): f"{AUTH} or {TELEMETRY}",
}


def main() -> None:
    """Write the pins for each database."""
    for database in DATABASES:
        newest = export("make upgrade", database, *CHOICES[-1])
        pins = [export("make lock", database, *choices, pins=newest) for choices in CHOICES]
        template = TEMPLATE / "templates" / "database" / database / "requirements.txt"
        template.write_text(combine(pins))


def export(command: str, database: str, auth: str, telemetry: str, pins: str = "") -> str:
    """Render a project, run its command, and return the pins that this writes.

    Args:
        command: `make upgrade` for the newest versions, or `make lock` for those of `pins`.
        database: the choice of the option.
        auth: the choice of the option.
        telemetry: the choice of the option.
        pins: the versions of more packages than the project needs.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = render(folder, database=database, auth=auth, telemetry=telemetry)
        (project / "requirements.txt").write_text(pins)
        run(command, project)
        return (project / "requirements.txt").read_text()


def combine(pins: list[str]) -> str:
    """Combine the pins with each of `CHOICES` into one template.

    Raises:
        KeyError: a line depends on the options in a new way.
    """
    texts = [text.splitlines() for text in pins]
    # uv sorts by name, below its comments.
    union = sorted(
        dict.fromkeys(line for lines in texts for line in lines),
        key=lambda line: line.partition("==")[0] if "==" in line else "",
    )
    combined: list[str] = []
    current = ""
    for line in [*union, ""]:
        condition = CONDITIONS[tuple(line in lines for lines in texts)] if line else ""
        if condition != current:
            combined += ["{% endif %}"] * bool(current) + [f"{{% if {condition} %}}"] * bool(
                condition
            )
            current = condition
        combined.append(line)
    return "\n".join(combined)


if __name__ == "__main__":
    main()
