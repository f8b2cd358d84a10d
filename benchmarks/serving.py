"""How fast projects serve, beside what else could serve the same.

`python -m benchmarks.serving` measures everything and keeps it, for `python -m benchmarks.page` to
write down; with any option that chooses, it prints alone. Every contender is a process of its own,
on the same database; each round drives all of them in turn, and what counts is the median of the
rounds' ratios.
"""

import argparse
import contextlib
import shutil
import signal
import sys
from pathlib import Path

from tests.helpers.serving import required
from tools import servers
from tools.template import DATABASES

from .answers import check_answers
from .contenders import STYLES, Contender, make_contenders, prepare, versions
from .databases import Database, temporary_database
from .load import MeasurementError, Server, drive, serving
from .report import machine
from .results import CONNECTIONS, ONE, TWO, WORKERS_CONNECTIONS, WORKLOADS, Cell, Results, Round
from .tables import cell_table, heading, process_table, remark, target_table, workers_table

#: How many rounds, by the number of connections; the targets are for the first.
ROUNDS = {CONNECTIONS: 5, 1: 3, 64: 3}
START_ROUNDS = 5
WORKERS_ROUNDS = 5
#: What is no workload of `requests.lua`.
START, WORKERS = "start", "two-workers"
#: What `--quick` times, once.
QUICK = ["mix"]
NO_WRK = "wrk, which makes the load, is not installed: `apt install wrk` or `brew install wrk`"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.serving")
    parser.add_argument("--database", choices=DATABASES, action="append")
    parser.add_argument("--workload", choices=[*WORKLOADS, START, WORKERS], action="append")
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
    results.versions[database.kind] = database.version()
    contenders = make_contenders(database.kind, options.against)
    database.migrate(contenders[0].folder)
    workloads = [name for name in options.workload if name in WORKLOADS]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(serving(each, database)) for each in contenders]
        check_answers(running, database)
        print(f"{database.kind}: all answer alike", flush=True)
        if not options.quick:
            warm_up(running, database, workloads)
        for connections in options.connections:
            for workload in workloads:
                cell = Cell(database.kind, workload, connections)
                rounds = options.rounds or ROUNDS.get(connections, 3)
                measured = measure(running, database, cell, rounds, options.seconds)
                results.cells[cell] = measured
                print(
                    f"\n{heading(cell)}\n\n{cell_table(measured)}\n{remark(measured)}", flush=True
                )
            if connections == CONNECTIONS:
                results.memory[database.kind] = {
                    server.contender.name: server.memory() for server in running
                }
    if START in options.workload:
        results.starts[database.kind] = time_starts(contenders, database)
    if WORKERS in options.workload:
        for workload in ["read-one", *(["health"] if database.kind == "sqlite" else [])]:
            results.workers[database.kind, workload] = compare_workers(
                contenders[0], database, workload, options.seconds
            )


def able(running: list[Server], workload: str) -> list[Server]:
    """Choose those who can answer a workload: ours, and those that it names."""
    others = WORKLOADS[workload].others
    return [
        server
        for server in running
        if server.contender.name.startswith(STYLES) or server.contender.name in others
    ]


def warm_up(running: list[Server], database: Database, workloads: list[str]) -> None:
    for workload in workloads:
        database.fill(WORKLOADS[workload].rows)
        for server in able(running, workload):
            drive(server, workload, CONNECTIONS, 1)


def measure(
    running: list[Server], database: Database, cell: Cell, rounds: int, seconds: int
) -> list[Round]:
    """Drive all who can answer a workload, in turn."""
    workload = WORKLOADS[cell.workload]
    driven = able(running, cell.workload)
    database.fill(workload.rows)
    measured = []
    for number in range(rounds):
        seen = {}
        # Whoever comes first in one round comes last in the next.
        first = number % len(driven)
        for server in driven[first:] + driven[:first]:
            if workload.writes:
                database.fill(workload.rows)
            seen[server.contender.name] = drive(server, cell.workload, cell.connections, seconds)
        measured.append({server.contender.name: seen[server.contender.name] for server in driven})
    return measured


def time_starts(contenders: list[Contender], database: Database) -> dict[str, list[float]]:
    """Start each contender in turn, and return the seconds to the first answer, by the name."""
    starts: dict[str, list[float]] = {each.name: [] for each in contenders}
    for _ in range(START_ROUNDS):
        for contender in contenders:
            with serving(contender, database) as server:
                starts[contender.name].append(server.start)
    return starts


def compare_workers(
    contender: Contender, database: Database, workload: str, seconds: int
) -> list[Round]:
    """Drive one worker and two of the same in turn."""
    database.fill(WORKLOADS[workload].rows)
    with serving(contender, database) as one, serving(contender, database, workers=2) as two:
        servers = {ONE: one, TWO: two}
        rounds = [
            {
                name: drive(server, workload, WORKERS_CONNECTIONS, seconds)
                for name, server in servers.items()
            }
            for _ in range(WORKERS_ROUNDS + 1)
        ]
    return rounds[1:]  # the first one warms them up


def print_summary(results: Results) -> None:
    if results.cells:
        print(f"\n{target_table(results)}")
    if results.starts:
        print(f"\n{process_table(results)}")
    if results.workers:
        print(f"\n{workers_table(results)}")


def main() -> None:
    """Measure, print and write down."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = parse(sys.argv[1:])
    if options.quick:
        options.workload, options.connections, options.rounds = QUICK, [CONNECTIONS], 1
    chosen = (options.database, options.workload, options.connections, options.against)
    options.workload = options.workload or [*WORKLOADS, START, WORKERS]
    options.connections = options.connections or list(ROUNDS)
    if not shutil.which("wrk"):
        if not options.quick:
            sys.exit(NO_WRK)
        print(f"{NO_WRK}; nothing is timed")
        options.workload = []
    try:
        prepare()
        results = Results(machine(), versions(), options.seconds)
        for kind in options.database or DATABASES:
            settings = find_server(kind)
            if settings is not None:
                with temporary_database(kind, settings) as database:
                    run(database, options, results)
        if not options.quick:
            print_summary(results)
    except MeasurementError as error:
        sys.exit(str(error))
    if not any(chosen):
        results.save()


if __name__ == "__main__":
    main()
