"""Write what the last whole run found: the section Serving of RESULTS.md, and ratios.svg."""

from pathlib import Path

from .contenders import ALONE, BARE, CLI, CONSTANT, HANDWRITTEN, STYLES
from .picture import draw
from .report import write_section
from .results import CONNECTIONS, WORKERS_CONNECTIONS, WORKERS_TARGET, Results
from .tables import (
    bound_table,
    cell_table,
    heading,
    process_table,
    remark,
    target_table,
    workers_table,
)

PICTURE = Path(__file__).with_name("ratios.svg")
SECTION = """\
Each contender is a process of its own with one worker, on the same Python, the same versions and
the same database, logging to a file as it does in production. wrk drives them in turn, each for
{seconds} s in every round, in another order each time; a ratio is the median of the rounds' ratios,
with the least and the largest behind it. Before that, all were seen to give the same answers.

- `controller` and `service` are rendered projects of these session styles.
- `{cli}` is what `pynest generate application --is-async` and `generate resource` write,
  as it is but for what does not start: on MySQL, `String` gets a length. It logs every statement
  and all that is DEBUG, lists without pages, and can do no more than list and create.
- `{handwritten}` is FastAPI and SQLAlchemy's ORM with the same routes, models and errors.
- `{alone}` is FastAPI on the project's engine, statements and pool, and nothing else of it: no
  service, no limits, no models of answers, no log but uvicorn's.
- `{bare}` is FastAPI on asyncpg's pool, which resets a connection after each use, on
  aiomysql's pool, which does not, or on one connection of aiosqlite.
- `{constant}` is FastAPI that returns constants.

`make bench` measures all anew. Ratios are the result; what they are made of depends on the machine:

- {machine}
- {databases}
- {versions}

![Ratios of requests per second](ratios.svg)

### Targets

At {connections} connections. Ratios are of requests per second where nothing else is named; p99 is
wrk's, which counts a slow answer for all that would have been asked meanwhile. Memory is what is
resident after the loads at {connections} connections; a start ends with the first answer.

{targets}

### The bound

What SQLAlchemy costs is the bound of a project, as long as it is what sends the statements. That is
`{alone}`: what it misses is out of a project's reach. What a project takes beyond it is the
price of all that it promises: the line in the log, the id, the limits, what is checked, and the
answers to errors.

{bound}

### Memory and start-up

{processes}

### Two workers

`{style}`, at {workers_connections} connections. The columns behind the ratios say how many
processors were busy with the service, the database's server, wrk and all else, while two workers
were driven.
Where these leave the workers less than {workers_target} processors, there is no room for the ratio,
whatever the service does; then look at the one by CPU, which is twice the processor time of a
request with one worker, divided by that with two: what two processors of their own would make. It
is above 2 where the threads of one worker are in each other's way.

{workers}

### All measurements

CPU is the processor time that the server took for a request, which depends less than the rest on
what else the machine does; "by CPU" is the ratio of these times.

{cells}
"""


def main() -> None:
    """Write both files."""
    results = Results.load()
    text = SECTION.format(
        seconds=results.seconds,
        cli=CLI,
        handwritten=HANDWRITTEN,
        alone=ALONE,
        bare=BARE,
        constant=CONSTANT,
        style=STYLES[0],
        connections=CONNECTIONS,
        workers_connections=WORKERS_CONNECTIONS,
        workers_target=WORKERS_TARGET,
        machine=results.machine,
        databases=", ".join(results.versions.values()),
        versions=", ".join(results.packages),
        targets=target_table(results),
        bound=bound_table(results),
        processes=process_table(results),
        workers=workers_table(results),
        cells="\n\n".join(
            f"#### {heading(cell)}\n\n{remark(rounds)}\n\n{cell_table(rounds)}"
            for cell, rounds in results.cells.items()
        ),
    )
    write_section("Serving", text)
    draw(results, PICTURE)


if __name__ == "__main__":
    main()
