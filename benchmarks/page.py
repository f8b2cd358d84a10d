"""Write the results of the last whole run: the section Serving of RESULTS.md, and ratios.svg."""

from pathlib import Path

from .contenders import BARE, CLI, HANDWRITTEN, STYLES
from .report import write_section
from .results import CONNECTIONS, GAIN_TARGET, WORKERS_CONNECTIONS, WORKERS_TARGET, Results
from .tables import ablation_table, contender_table, target_table, workers_table

PICTURE = Path(__file__).with_name("ratios.svg")
SECTION = """\
Projects of the session styles `{controller}` and `{service}` compete with other ways to build the
same service. Each ratio compares requests per second at {connections} connections, unless its
row says otherwise. A ratio is the median of all rounds, followed by the smallest and the largest.

![Ratios of requests per second](ratios.svg)

### Targets

{targets}

- `{handwritten}` is FastAPI with SQLAlchemy's ORM and uvicorn's access log. It has the same routes,
  models and errors.
- `{bare}` is FastAPI on asyncpg's pool, on aiomysql's pool, or on one connection of aiosqlite.
  It has uvicorn's access log, only checks types, and has no error bodies.
- `{cli}` is the output of `pynest generate application --is-async` and `generate resource`.
  It logs every statement, lists without pages, and can only list and create.
- A create can't reach its target with the ORM. Both services call `session.add` and `commit`, which
  send BEGIN, INSERT and COMMIT. On PostgreSQL, a profile shows 41% of a project's time there, 18% in
  sending the response and log entry, 10% in FastAPI's validation, and 3% in the project's
  middleware. The hand-written service spends its time the same way.

### Ablation

Each row takes one optimisation back in a project of the style `{controller}`. A ratio of 1.2 says
that the whole project has 1.2 times the rate, or that its p99 would be 1.2 times as long without
this optimisation. An optimisation that reaches {gain_target} on no database goes.

{ablation}

### Rates, memory and startup

Requests per second at {connections} connections, with the p99 in parentheses. Memory is resident
memory after these loads. Startup ends with the first response.

{contenders}

### Two workers

A project of the style `{controller}`, at {workers_connections} connections. The columns on
the right say how many processors each program kept busy while two workers served. If the others
left less than {workers_target} processors to the workers, there was no room for the ratio. "By CPU"
doesn't depend on that. It is 2 if a request takes as much processor time with two workers as with
one.

{workers}

### How it was measured

Each contender is a process with one worker, on the same Python, the same packages and the same
database. It logs to a file, as in production. The run compares their responses before it times
any of them. wrk then drives them in turn for {seconds} s a round, in another order each round. Its
p99 also counts the requests that a slow response holds up. Compare ratios with those of another
machine, but not rates:

- {machine}
- {databases}
- {versions}
"""


def write(results: Results) -> str:
    """Write the section."""
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
        contenders=contender_table(results),
        workers=workers_table(results),
    )


def main() -> None:
    """Write both files."""
    from .picture import draw  # noqa: PLC0415  # only `make bench` installs matplotlib

    results = Results.load()
    write_section("Serving", write(results))
    draw(results, PICTURE)


if __name__ == "__main__":
    main()
