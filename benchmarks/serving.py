"""Measure the speed of projects, compared with other implementations of the same service.

`python -m benchmarks.serving` measures everything, and saves it for `python -m benchmarks.page`.
With an option that selects a part, it only prints. Every contender is a process, and all use one
database. Each round measures one after another. The result is the median of the rounds' ratios.
"""

import argparse
import contextlib
import shutil
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.helpers.serving import required
from tools import servers
from tools.template import DATABASES

from .ablation import OPTIMISATIONS, make_ablated
from .contenders import (
    BUILD,
    STYLES,
    Contender,
    MeasurementError,
    make_contenders,
    make_observed,
    make_secured,
    prepare,
    versions,
)
from .databases import Database, temporary_database
from .load import Server, collecting, drive, serving
from .report import machine
from .responses import check_responses
from .results import (
    COMPARED,
    CONNECTIONS,
    DEEP_PAGE,
    FIRST_PAGE,
    ONE,
    TWO,
    WORKERS_CONNECTIONS,
    WORKLOADS,
    Cell,
    Results,
    Round,
)
from .tables import (
    ablation_table,
    cell_table,
    contender_table,
    cost_table,
    depth_table,
    heading,
    remark,
    target_table,
    workers_table,
)

#: Rounds of each part. To find a gain of 10 % takes more rounds than to find a ratio of 2.
ROUNDS, ABLATION_ROUNDS = 5, 7
#: The parts that aren't workloads in `requests.lua`.
ABLATION, START, WORKERS = "ablation", "start", "two-workers"
AUTH, TELEMETRY = "auth", "telemetry"
#: The workload of `--quick`.
QUICK = "mix"
NO_WRK = "wrk is not installed: run `apt install wrk` or `brew install wrk`"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.serving")
    parser.add_argument("--database", choices=DATABASES, action="append")
    parts = [*WORKLOADS, ABLATION, AUTH, TELEMETRY, START, WORKERS]
    parser.add_argument("--workload", choices=parts, action="append")
    parser.add_argument("--connections", type=int, action="append")
    parser.add_argument("--rounds", type=int, help="measurements of each contender")
    parser.add_argument("--seconds", type=int, default=1, help="duration of a measurement")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    parser.add_argument(
        "--quick", action="store_true", help="check responses; measure one workload once"
    )
    return parser.parse_args(arguments)


def find_server(database: str) -> dict[str, str] | None:
    """Return the settings of a database's server, or print why it is skipped."""
    try:
        return servers.find(database)
    except servers.ServerError as error:
        if required():
            sys.exit(str(error))
        print(f"skipping {database}: {error}")
        return None


def run(database: Database, options: argparse.Namespace, results: Results) -> None:
    """Check all contenders on a database, and measure the selected parts."""
    results.versions[database.kind] = database.version()
    contenders = make_contenders(database.kind, options.against)
    database.migrate(contenders[0].folder)
    workloads = [name for name in options.workload if name in WORKLOADS]
    with serving_all(contenders, database) as running:
        for connections in options.connections:
            for name in workloads:
                cell = Cell(database.kind, name, connections)
                others = WORKLOADS[name].others
                driven = [
                    server
                    for server in running
                    if server.contender.name.startswith(STYLES) or server.contender.name in others
                ]
                results.cells[cell] = measure(
                    driven, database, cell, options.rounds or ROUNDS, options
                )
        if CONNECTIONS in options.connections:
            results.memory[database.kind] = {
                server.contender.name: server.memory() for server in running
            }
    if ABLATION in options.workload or options.quick:
        folder = BUILD / f"{database.kind}-ablated"
        ablated = make_ablated(contenders[0], database.kind, folder)
        with serving_all([contenders[0], *ablated], database) as running:
            if ABLATION in options.workload:
                results.ablation |= measure_ablation(running, database, options)
    measure_options(contenders[0], database, options, results)
    if START in options.workload:
        results.starts[database.kind] = time_starts(contenders, database)
    if WORKERS in options.workload:
        for name in ["read-one", *(["health"] if database.kind == "sqlite" else [])]:
            results.workers[database.kind, name] = compare_workers(
                contenders[0], database, name, options.seconds
            )


@contextlib.contextmanager
def serving_all(contenders: list[Contender], database: Database) -> Iterator[list[Server]]:
    """Start contenders and check their responses."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(serving(each, database)) for each in contenders]
        check_responses(running, database)
        print(f"{database.kind}: {len(running)} contenders give the same responses", flush=True)
        yield running


def measure(
    driven: list[Server],
    database: Database,
    cell: Cell,
    rounds: int,
    options: argparse.Namespace,
) -> list[Round]:
    """Measure contenders one after another, after a warm-up round; print the rounds."""
    workload = WORKLOADS[cell.workload]
    database.fill(workload.rows)
    measured: list[Round] = []
    for number in range(rounds + (not options.quick)):
        seen = {}
        # Each round moves the first server to the end.
        first = number % len(driven)
        for server in driven[first:] + driven[:first]:
            if workload.writes:
                database.fill(workload.rows)
            seen[server.contender.name] = drive(
                server, cell.workload, cell.connections, options.seconds
            )
        measured.append({server.contender.name: seen[server.contender.name] for server in driven})
    measured = measured[-rounds:]
    print(f"\n{heading(cell)}\n\n{cell_table(measured)}\n{remark(measured)}", flush=True)
    return measured


def measure_ablation(
    running: list[Server], database: Database, options: argparse.Namespace
) -> dict[Cell, list[Round]]:
    """Measure a project and its variants without one optimisation, on their workloads."""
    whole, *ablated = running
    by_workload: dict[str, list[Server]] = {}
    for server in ablated:
        workload = OPTIMISATIONS[server.contender.name].workload
        by_workload.setdefault(workload, [whole]).append(server)
    cells = {
        Cell(database.kind, workload, CONNECTIONS): driven
        for workload, driven in by_workload.items()
    }
    return {
        cell: measure(driven, database, cell, options.rounds or ABLATION_ROUNDS, options)
        for cell, driven in cells.items()
    }


def measure_options(
    plain: Contender, database: Database, options: argparse.Namespace, results: Results
) -> None:
    """Check the responses of projects with options; measure them if that part is selected."""
    with collecting() as url:
        for part, make, measured in (
            (AUTH, make_secured, results.auth),
            (TELEMETRY, partial(make_observed, collector=url), results.telemetry),
        ):
            if part in options.workload or options.quick:
                with serving_all([plain, *make(database.kind)], database) as running:
                    if part in options.workload:
                        cell = Cell(database.kind, "read-one", CONNECTIONS)
                        rounds = options.rounds or ABLATION_ROUNDS
                        measured[cell] = measure(running, database, cell, rounds, options)


def time_starts(contenders: list[Contender], database: Database) -> dict[str, list[float]]:
    """Start each contender several times; return the seconds until its first response."""
    starts: dict[str, list[float]] = {each.name: [] for each in contenders}
    for _ in range(ROUNDS):
        for contender in contenders:
            with serving(contender, database) as server:
                starts[contender.name].append(server.start)
    return starts


def compare_workers(
    contender: Contender, database: Database, workload: str, seconds: int
) -> list[Round]:
    """Measure one worker and two workers of the same contender."""
    database.fill(WORKLOADS[workload].rows)
    with serving(contender, database) as one, serving(contender, database, workers=2) as two:
        pair = {ONE: one, TWO: two}
        rounds = [
            {
                name: drive(server, workload, WORKERS_CONNECTIONS, seconds)
                for name, server in pair.items()
            }
            for _ in range(ROUNDS + 1)
        ]
    return rounds[1:]  # The first round is a warm-up.


def print_summary(results: Results) -> None:
    if results.cells:
        print(f"\n{target_table(results)}")
        print(f"\n{depth_table(results)}")
    if results.ablation:
        print(f"\n{ablation_table(results)}")
    if results.auth or results.telemetry:
        print(f"\n{cost_table(results)}")
    if results.starts:
        print(f"\n{contender_table(results)}")
    if results.workers:
        print(f"\n{workers_table(results)}")


def main() -> None:
    """Measure and print; save the results of a complete run."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options = parse(sys.argv[1:])
    if options.quick:
        options.workload, options.connections, options.rounds = [QUICK], [CONNECTIONS], 1
    selected = (
        options.database,
        options.workload,
        options.connections,
        options.rounds,
        options.against,
    )
    options.workload = options.workload or [
        *(*COMPARED, FIRST_PAGE, DEEP_PAGE),
        *(ABLATION, AUTH, TELEMETRY, START, WORKERS),
    ]
    options.connections = options.connections or [CONNECTIONS]
    if not shutil.which("wrk"):
        if not options.quick:
            sys.exit(NO_WRK)
        print(f"{NO_WRK}; this run only checks responses")
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
    if not any(selected):
        results.save()


if __name__ == "__main__":
    main()
