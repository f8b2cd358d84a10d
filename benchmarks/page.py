"""Write the results of the last complete run to RESULTS.md and ratios.svg."""

from pathlib import Path

from .contenders import BARE, CLI, HANDWRITTEN, STYLES
from .report import write_section
from .results import (
    CONNECTIONS,
    GAIN_TARGET,
    WORKERS_CONNECTIONS,
    WORKERS_TARGET,
    WORKLOADS,
    Results,
)
from .tables import (
    ablation_table,
    contender_table,
    cost_table,
    depth_table,
    target_table,
    workers_table,
)

PICTURE = Path(__file__).with_name("ratios.svg")
SECTION = """\
This page compares projects of the session styles `{controller}` and `{service}` with other
implementations of the same service. A ratio compares requests per second at {connections}
connections, unless its row names another measure. It is the median of all rounds, followed by the
minimum and the maximum.

![Ratios of requests per second](ratios.svg)

### Targets

{targets}

- `{handwritten}` is FastAPI with SQLAlchemy's ORM and uvicorn's access log. It has the same routes,
  models and errors.
- `{bare}` is FastAPI on asyncpg's pool, on aiomysql's pool, or on one connection of aiosqlite.
  It has uvicorn's access log. It only checks types, and has no error bodies.
- `{cli}` is the output of `pynest generate application --is-async` and `generate resource`.
  It logs every statement. It can only create rows and list all of them.
- The ratios of creates vary most between runs and machines. Both services call `session.add` and
  `commit`, which send BEGIN, INSERT and COMMIT. On PostgreSQL, a profile shows 41% of a project's
  time there, and 18% in sending the response and the log entry. FastAPI's validation takes 10% and
  the project's middleware 3%.

### Ablation

Each row removes one optimisation from a project of the style `{controller}`. A ratio of 1.2 means
that the optimisation raises the rate by 20 %. For p99, it means that p99 is 20 % longer without the
optimisation. The verdict is "remove" if the ratio is below {gain_target} on every database.

{ablation}

### Options

Each row compares a project of the style `{controller}` with an option, with one without it. The
workload is "{options_workload}". The last column is the additional processor time. A row of a token
has that for verifying it and checking its scope, on each request. The other rows have that for
telemetry, with the export to a collector.

{options}

### Deep pages

Requests per second for pages of 20 from 200,000 rows, in a project of the style `{controller}`.
The sort is by a field in which 200 rows have the same value. An `OFFSET` would read 180,000 rows
for page 9,000.

{depth}

### Rates, memory and startup

Requests per second at {connections} connections, with the p99 in parentheses. Memory is the
resident memory after these loads. Startup is the time until the first response.

{contenders}

### Two workers

A project of the style `{controller}`, at {workers_connections} connections. The columns on the
right show the processors that each program used while two workers ran. If the other programs left
less than {workers_target} processors for the workers, the target was out of reach, and "room" is
"no". "By CPU" doesn't depend on other programs. It is 2 if a request costs the same processor time
with two workers as with one.

{workers}

### Method

Each contender is a process with one worker, on the same Python, the same packages and the same
database. It logs to a file, as in production. The run first checks that all contenders give the
same responses. Then wrk sends requests to one contender after another, for {seconds} s in each
round. The order changes in each round. wrk's p99 includes requests that wait behind a slow one.

Ratios can be compared with other machines, but rates can't. These are from:

- {machine}
- {databases}
- {versions}
"""


def write(results: Results) -> str:
    """Return the section as Markdown."""
    return SECTION.format(
        controller=STYLES[0],
        service=STYLES[1],
        cli=CLI,
        handwritten=HANDWRITTEN,
        bare=BARE,
        connections=CONNECTIONS,
        gain_target=GAIN_TARGET,
        workers_connections=WORKERS_CONNECTIONS,
        workers_target=WORKERS_TARGET,
        seconds=results.seconds,
        machine=results.machine,
        databases=", ".join(results.versions.values()),
        versions=", ".join(results.packages),
        targets=target_table(results),
        ablation=ablation_table(results),
        options=cost_table(results),
        options_workload=WORKLOADS["read-one"].title,
        depth=depth_table(results),
        contenders=contender_table(results),
        workers=workers_table(results),
    )


def main() -> None:
    """Write the section and the picture."""
    from .picture import draw  # noqa: PLC0415  # only `make bench` installs matplotlib

    results = Results.load()
    write_section("Serving", write(results))
    draw(results, PICTURE)


if __name__ == "__main__":
    main()
