"""What bounds a request: who takes the processor's time, in the section of RESULTS.md.

`python -m benchmarks.profile`, after a run of `benchmarks.serving`, which installs what this needs.
"""

import json
from pathlib import Path
from typing import Any

from tools.template import DATABASES, run

from .contenders import BUILD, PYTHON, render_anew
from .databases import temporary_database
from .report import machine, write_section
from .serving import find_server

PROFILED = Path(__file__).parent / "contenders" / "profiled.py"
REQUESTS = {
    "read one": ("GET", "/examples/500"),
    "list 20 of 1,000": ("GET", "/examples?limit=20"),
    "create": ("POST", "/examples"),
}
SECTION = """\
`python -m benchmarks.profile`, on {machine}

Where the processor's time of a request goes in the event loop's thread, in a project of the style
`service`, with 16 requests at once and no network: microseconds of a request without the
profiler, and the shares that Python's own profiler sees, which overrates small functions. SQLite
itself runs in aiosqlite's threads, and is not in this.

{table}

No app on FastAPI and the driver is without the first two columns, and without much of the library's
beside them: asyncio, and the stacks of contexts that FastAPI closes after each request.
SQLAlchemy's is what a statement, its result and the pool cost, as few of each as a request needs: a
read and a create are one statement each, in one switch of greenlets and one transaction, which the
database begins and ends by itself as it does for a bare driver. To come nearer to that is to leave
SQLAlchemy out.

On SQLite a statement is a visit to aiosqlite's thread, as it is without SQLAlchemy. A bare app has
one connection, so that its thread works through what has gathered while the event loop sleeps. With
a pool, where one who waits does not hold up all, threads and loop take Python's lock from each
other; a small pool does so less.
"""


def main() -> None:
    """Profile the requests on each database, and write the section."""
    measured: dict[tuple[str, str], dict[str, Any]] = {}
    for database in DATABASES:
        settings = find_server(database)
        if settings is None:
            continue
        project = render_anew(BUILD / "profiled", database=database, session_style="service")
        with temporary_database(database, settings) as temporary:
            temporary.migrate(project)
            for name, request in REQUESTS.items():
                temporary.fill(1000)
                variables = {**temporary.settings, "DB_CREATE_ALL": "false", "LOG_FORMAT": "json"}
                printed = run([str(PYTHON), str(PROFILED), *request], project, **variables)
                measured[database, name] = json.loads(printed.splitlines()[-1])
    [parts, *_] = ([*each["shares"]] for each in measured.values())
    rows = [
        ["database", "request", "µs", *parts],
        ["---"] * (3 + len(parts)),
        *(
            [*key, f"{each['microseconds']:.0f}", *(f"{each['shares'][p]:.0%}" for p in parts)]
            for key, each in measured.items()
        ),
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    write_section("What bounds a request", SECTION.format(machine=machine(), table=table))
    print(table)


if __name__ == "__main__":
    main()
