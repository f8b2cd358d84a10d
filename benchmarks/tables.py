"""Results as Markdown."""

import os
import statistics

from .contenders import ALONE, BARE, HANDWRITTEN, STYLES
from .results import (
    CONNECTIONS,
    MEMORY_TARGET,
    ONE,
    P99_TARGET,
    START_TARGET,
    TARGETS,
    TWO,
    WORKERS_TARGET,
    WORKLOADS,
    Cell,
    Ratio,
    Results,
    Round,
    cpu,
    median,
    p99,
    rate,
    ratio,
    ratio_of,
)

AT_LEAST, AT_MOST = "≥", "≤"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table, whose columns are wide enough to be read as text too."""
    widths = [max(3, *map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def heading(cell: Cell) -> str:
    connections = f"{cell.connections} connection{'s' if cell.connections > 1 else ''}"
    return f"{cell.database}, {WORKLOADS[cell.workload].title}, {connections}"


def remark(rounds: list[Round]) -> str:
    """Say how often was measured, and how much else the machine did meanwhile."""
    others = statistics.median(each.other_load for seen in rounds for each in seen.values())
    return f"Rounds: {len(rounds)}; all else kept {others:.2f} processors busy."


def cell_table(rounds: list[Round]) -> str:
    """Write what all contenders did in one cell, and what ours are beside them."""
    head = ["", "req/s", "p50 ms", "p99 ms", "CPU µs"]
    head += [f"{style} ÷ it" for style in STYLES] + [f"{style} by CPU" for style in STYLES]
    rows = []
    for name in rounds[0]:
        row = [
            name,
            f"{median(rounds, name, rate):,.0f}",
            f"{median(rounds, name, lambda each: each.p50) * 1e3:.2f}",
            f"{median(rounds, name, p99) * 1e3:.2f}",
            f"{median(rounds, name, cpu) * 1e6:.0f}",
        ]
        others = [style if style != name else None for style in STYLES]
        row += [str(ratio(rounds, style, name, rate)) if style else "" for style in others]
        # Who takes half of the time is twice as fast.
        row += [
            f"{ratio(rounds, name, style, cpu).median:.2f}" if style else "" for style in others
        ]
        rows.append(row)
    return table(head, rows)


def judged(measured: Ratio, sign: str, target: float) -> str:
    """Write a ratio, and whether it meets its target."""
    # As it is shown.
    median = round(measured.median, 2)
    met = median >= target if sign == AT_LEAST else median <= target
    return f"{measured} {'met' if met else '**not met**'}"


def target_table(results: Results) -> str:
    """Write what each target asks for, and what was measured."""
    rows: list[list[str]] = []

    def add(database: str, what: str, sign: str, target: float, measured: list[Ratio]) -> None:
        shown = [judged(each, sign, target) for each in measured]
        rows.append([database, what, f"{sign} {target}", *shown])

    for database in results.versions:
        cells = {
            cell.workload: rounds
            for cell, rounds in results.cells.items()
            if cell.database == database and cell.connections == CONNECTIONS
        }
        for workload, other, target in TARGETS:
            if rounds := cells.get(workload):
                measured = [ratio(rounds, style, other, rate) for style in STYLES]
                what = f"{WORKLOADS[workload].title} ÷ {other}"
                add(database, what, AT_LEAST, target, measured)
        for workload, rounds in cells.items():
            if HANDWRITTEN in rounds[0]:
                measured = [ratio(rounds, style, HANDWRITTEN, p99) for style in STYLES]
                what = f"p99 of {WORKLOADS[workload].title} ÷ {HANDWRITTEN}"
                add(database, what, AT_MOST, P99_TARGET, measured)
        if memory := results.memory.get(database):
            measured = [ratio_of([(memory[style], memory[HANDWRITTEN])]) for style in STYLES]
            add(database, f"memory ÷ {HANDWRITTEN}", AT_MOST, MEMORY_TARGET, measured)
        if starts := results.starts.get(database):
            pairs = [list(zip(starts[style], starts[HANDWRITTEN], strict=True)) for style in STYLES]
            measured = [ratio_of(each) for each in pairs]
            add(database, f"start-up ÷ {HANDWRITTEN}", AT_MOST, START_TARGET, measured)
    return table(["database", "what", "target", *STYLES], rows)


def bound_table(results: Results) -> str:
    """Write how near ours come to SQLAlchemy alone, and how near that is to the bare driver."""
    pairs = [(ALONE, BARE), *((style, ALONE) for style in STYLES)]
    rows = [
        [
            cell.database,
            WORKLOADS[cell.workload].title,
            *(str(ratio(rounds, one, other, rate)) for one, other in pairs),
        ]
        for cell, rounds in results.cells.items()
        if cell.connections == CONNECTIONS and ALONE in rounds[0]
    ]
    return table(["database", "", *(f"{one} ÷ {other}" for one, other in pairs)], rows)


def process_table(results: Results) -> str:
    """Write how much memory each contender has, and how long its start takes."""
    rows = []
    for database, starts in results.starts.items():
        for name, seconds in starts.items():
            memory = results.memory.get(database, {}).get(name, 0) / 2**20
            spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"
            rows.append([database, name, f"{memory:.0f}", spread])
    return table(["database", "", "memory MiB", "start-up s"], rows)


def workers_table(results: Results) -> str:
    """Write what two workers do beside one, and who kept the processors busy meanwhile."""
    rows = []
    for (database, workload), rounds in results.workers.items():
        loads = [
            median(rounds, TWO, lambda each: each.server_load),
            median(rounds, TWO, lambda each: each.database_load),
            median(rounds, TWO, lambda each: each.wrk_load),
            median(rounds, TWO, lambda each: each.other_load),
        ]
        left = (os.cpu_count() or 1) - sum(loads[1:])
        # Two workers on processors of their own, beside one: twice, less what each has more to do.
        by_cpu = ratio_of([(2 * each[ONE].cpu, each[TWO].cpu) for each in rounds])
        rows.append(
            [
                f"{database}, {WORKLOADS[workload].title}",
                f"{median(rounds, ONE, rate):,.0f}",
                f"{median(rounds, TWO, rate):,.0f}",
                judged(ratio(rounds, TWO, ONE, rate), AT_LEAST, WORKERS_TARGET),
                judged(by_cpu, AT_LEAST, WORKERS_TARGET),
                *(f"{load:.2f}" for load in loads),
                "yes" if left >= WORKERS_TARGET else "no",
            ]
        )
    head = ["", ONE, TWO, "ratio", "by CPU", "service", "database", "wrk", "all else", "room"]
    return table(head, rows)
