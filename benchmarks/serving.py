"""How fast projects serve, beside what else could serve the same.

`python -m benchmarks.serving` measures everything and writes the section Serving of RESULTS.md and
ratios.svg; with any of the options that choose, it prints alone. Every contender is a process of
its own, on the same database; each round drives all of them in turn, and what counts is the median
of the rounds' ratios.
"""

import argparse
import contextlib
import shutil
import signal
import sys
from pathlib import Path

from tests import servers
from tests.projects import DATABASES
from tests.serving import required

from .answers import check_answers
from .contenders import STYLES, make_contenders, prepare
from .databases import Database, temporary_database
from .load import MeasurementError, Server, drive, serving
from .results import CONNECTIONS, WORKLOADS, Cell, Results, Round
from .tables import cell_table, heading, target_table

#: How many rounds, by the number of connections; the targets are for the first.
ROUNDS = {CONNECTIONS: 5, 1: 3, 64: 3}
#: What `--quick` times, once.
QUICK = ["read-one", "create"]
NO_WRK = "wrk, which makes the load, is not installed: `apt install wrk` or `brew install wrk`"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.serving")
    parser.add_argument("--database", choices=DATABASES, action="append")
    parser.add_argument("--workload", choices=WORKLOADS, action="append")
    parser.add_argument("--connections", type=int, action="append")
    parser.add_argument("--rounds", type=int, help="how often each contender is driven")
    parser.add_argument("--seconds", type=int, default=1, help="for how long each time")
    parser.add_argument("--against", type=Path, help="another checkout, to compare projects with")
    parser.add_argument("--quick", action="store_true", help="check answers; time little, once")
    return parser.parse_args(arguments)


def find_server(database: str) -> dict[str, str] | None:
    """Return the settings of a database's server; where it is not here, say so."""
    try:
        return servers.find(database)
    except servers.ServerError as error:
        if required():
            sys.exit(str(error))
        print(f"{database} is left out: {error}")
        return None


def run(database: Database, options: argparse.Namespace, results: Results) -> None:
    """Check all contenders on a database, and measure what the options choose."""
    contenders = make_contenders(database.kind, options.against)
    database.migrate(contenders[0].folder)
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(serving(each, database)) for each in contenders]
        check_answers(running, database)
        print(f"{database.kind}: all answer alike")
        for connections in options.connections:
            for workload in options.workload:
                cell = Cell(database.kind, workload, connections)
                rounds = options.rounds or ROUNDS.get(connections, 3)
                results.cells[cell] = measure(running, database, cell, rounds, options.seconds)
                print(f"\n{heading(cell)}\n\n{cell_table(results.cells[cell])}", flush=True)


def measure(
    running: list[Server], database: Database, cell: Cell, rounds: int, seconds: int
) -> list[Round]:
    """Drive all who can answer a workload, in turn."""
    workload = WORKLOADS[cell.workload]
    able = [
        server
        for server in running
        if server.contender.name.startswith(STYLES) or server.contender.name in workload.others
    ]
    database.fill(workload.rows)
    for server in able:
        drive(server, cell.workload, cell.connections, 1)
    measured = []
    for number in range(rounds):
        seen = {}
        # Whoever comes first in one round comes last in the next.
        first = number % len(able)
        for server in able[first:] + able[:first]:
            if workload.writes:
                database.fill(workload.rows)
            seen[server.contender.name] = drive(server, cell.workload, cell.connections, seconds)
        measured.append({server.contender.name: seen[server.contender.name] for server in able})
    return measured


def main() -> None:
    """Measure, print and write down."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = parse(sys.argv[1:])
    if options.quick:
        options.workload, options.connections, options.rounds = QUICK, [CONNECTIONS], 1
    options.workload = options.workload or list(WORKLOADS)
    options.connections = options.connections or list(ROUNDS)
    if not shutil.which("wrk"):
        if not options.quick:
            sys.exit(NO_WRK)
        print(f"{NO_WRK}; nothing is timed")
        options.workload = []
    results = Results()
    try:
        prepare()
        for kind in options.database or DATABASES:
            settings = find_server(kind)
            if settings is not None:
                with temporary_database(kind, settings) as database:
                    run(database, options, results)
    except MeasurementError as error:
        sys.exit(str(error))
    print(f"\n{target_table(results)}")


if __name__ == "__main__":
    main()
