"""Results as Markdown."""

from tests.projects import DATABASES

from .contenders import HANDWRITTEN, STYLES
from .results import (
    CONNECTIONS,
    MEMORY_TARGET,
    P99_TARGET,
    START_TARGET,
    TARGETS,
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


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table, whose columns are wide enough to be read as text too."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def cell_table(rounds: list[Round]) -> str:
    """Write what all contenders did in one cell, and what ours are beside them."""
    ours = [name for name in STYLES if name in rounds[0]]
    head = ["", "req/s", "p50 ms", "p99 ms", "CPU µs"]
    head += [f"{name} ÷ it" for name in ours] + [f"{name} by CPU" for name in ours]
    rows = []
    for name in rounds[0]:
        row = [
            name,
            f"{median(rounds, name, rate):,.0f}",
            f"{median(rounds, name, lambda each: each.p50) * 1e3:.2f}",
            f"{median(rounds, name, p99) * 1e3:.2f}",
            f"{median(rounds, name, cpu) * 1e6:.0f}",
        ]
        row += [str(ratio(rounds, style, name, rate)) if style != name else "" for style in ours]
        row += [
            f"{ratio(rounds, name, style, cpu).median:.2f}" if style != name else ""
            for style in ours
        ]
        rows.append(row)
    return table(head, rows)


def heading(cell: Cell) -> str:
    connections = f"{cell.connections} connection{'s' if cell.connections > 1 else ''}"
    return f"{cell.database}, {WORKLOADS[cell.workload].title}, {connections}"


def target_table(results: Results) -> str:
    """Write what each target asks for, and what was measured."""
    rows: list[list[str]] = []

    def add(database: str, what: str, asked: str, measured: list[Ratio], least: float) -> None:
        # At least a positive number, at most a negative one.
        met = [each.median >= least if least > 0 else each.median <= -least for each in measured]
        shown = [
            f"{each} {'met' if good else '**not met**'}"
            for each, good in zip(measured, met, strict=True)
        ]
        rows.append([database, what, asked, *shown])

    for database in DATABASES:
        cells = {
            cell.workload: rounds
            for cell, rounds in results.cells.items()
            if cell.database == database and cell.connections == CONNECTIONS
        }
        for workload, other, least in TARGETS:
            if rounds := cells.get(workload):
                measured = [ratio(rounds, style, other, rate) for style in STYLES]
                what = f"{WORKLOADS[workload].title} ÷ {other}"
                add(database, what, f"≥ {least}", measured, least)
        for workload, rounds in cells.items():
            if HANDWRITTEN in rounds[0]:
                measured = [ratio(rounds, style, HANDWRITTEN, p99) for style in STYLES]
                what = f"p99 of {WORKLOADS[workload].title} ÷ {HANDWRITTEN}"
                add(database, what, f"≤ {P99_TARGET}", measured, -P99_TARGET)
        if memory := results.memory.get(database):
            measured = [ratio_of([(memory[style], memory[HANDWRITTEN])]) for style in STYLES]
            add(database, f"memory ÷ {HANDWRITTEN}", f"≤ {MEMORY_TARGET}", measured, -MEMORY_TARGET)
        if starts := results.starts.get(database):
            measured = [
                ratio_of(list(zip(starts[style], starts[HANDWRITTEN], strict=True)))
                for style in STYLES
            ]
            add(database, f"start ÷ {HANDWRITTEN}", f"≤ {START_TARGET}", measured, -START_TARGET)
    return table(["database", "what", "target", *STYLES], rows)
