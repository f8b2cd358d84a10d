"""Write the results as Markdown tables."""

import os
import statistics

from .ablation import OPTIMISATIONS
from .contenders import HANDWRITTEN, STYLES
from .results import (
    COMPARED,
    COMPARISONS,
    CONNECTIONS,
    DEEP_PAGE,
    FIRST_PAGE,
    GAIN_TARGET,
    MEMORY_TARGET,
    ONE,
    P99_TARGET,
    START_TARGET,
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
#: The text of a table's empty cell.
NOTHING = "-"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table with aligned columns, so that it is readable as plain text."""
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
    """Return the number of rounds, and the load of other programs."""
    others = statistics.median(each.other_load for seen in rounds for each in seen.values())
    return f"Rounds: {len(rounds)}; other programs used {others:.2f} processors."


def cell_table(rounds: list[Round]) -> str:
    """Return all measurements of one cell. Ratios divide the first contender by the row's."""
    first = next(iter(rounds[0]))
    head = ["contender", "req/s", "p50 ms", "p99 ms", "CPU µs"]
    head += ["rate ratio", "p99 ratio", "CPU ratio"]
    rows = [
        [
            name,
            f"{median(rounds, name, rate):,.0f}",
            f"{median(rounds, name, lambda each: each.p50) * 1e3:.2f}",
            f"{median(rounds, name, p99) * 1e3:.2f}",
            f"{median(rounds, name, cpu) * 1e6:.0f}",
            *(str(ratio(rounds, first, name, of)) for of in (rate, p99, cpu)),
        ]
        for name in rounds[0]
    ]
    return table(head, rows)


def judged(measured: Ratio, sign: str, target: float | None) -> str:
    """Return a ratio, and whether it meets its target, if any."""
    if target is None:
        return str(measured)
    # Compare the rounded number, as shown to the reader.
    shown = round(measured.median, 2)
    met = shown >= target if sign == AT_LEAST else shown <= target
    return f"{measured} {'met' if met else '**not met**'}"


def target_table(results: Results) -> str:
    """Return the targets and the measured ratios."""
    rows: list[list[str]] = []

    def add(measure: str, sign: str, target: float | None, measured: list[Ratio]) -> None:
        shown = f"{sign} {target}" if target else NOTHING
        rows.append([database, measure, shown, *(judged(each, sign, target) for each in measured)])

    for database in results.versions:
        cells = {
            workload: rounds
            for workload in COMPARED
            if (rounds := results.cells.get(Cell(database, workload, CONNECTIONS)))
        }
        for workload, other, targets in COMPARISONS:
            if rounds := cells.get(workload):
                measured = [ratio(rounds, style, other, rate) for style in STYLES]
                measure = f"{WORKLOADS[workload].title} ÷ {other}"
                add(measure, AT_LEAST, targets.get(database), measured)
        for workload, rounds in cells.items():
            if HANDWRITTEN in rounds[0]:
                measured = [ratio(rounds, style, HANDWRITTEN, p99) for style in STYLES]
                measure = f"p99 of {WORKLOADS[workload].title} ÷ {HANDWRITTEN}"
                add(measure, AT_MOST, P99_TARGET, measured)
        if memory := results.memory.get(database):
            measured = [ratio_of([(memory[style], memory[HANDWRITTEN])]) for style in STYLES]
            add(f"memory ÷ {HANDWRITTEN}", AT_MOST, MEMORY_TARGET, measured)
        if starts := results.starts.get(database):
            pairs = [list(zip(starts[style], starts[HANDWRITTEN], strict=True)) for style in STYLES]
            add(f"startup ÷ {HANDWRITTEN}", AT_MOST, START_TARGET, list(map(ratio_of, pairs)))
    return table(["database", "ratio", "target", *STYLES], rows)


def ablation_table(results: Results) -> str:
    """Return the gain of each optimisation, and whether to keep it."""
    rows = []
    for name, optimisation in OPTIMISATIONS.items():
        gains = {}
        for database in results.versions:
            rounds = results.ablation.get(Cell(database, optimisation.workload, CONNECTIONS), [])
            if rounds and name in rounds[0]:
                gains[database] = (
                    ratio(rounds, name, STYLES[0], p99)
                    if optimisation.by_p99
                    else ratio(rounds, STYLES[0], name, rate)
                )
        if gains:
            keep = max(round(gain.median, 2) for gain in gains.values()) >= GAIN_TARGET
            measure = "p99" if optimisation.by_p99 else "rate"
            rows.append(
                [
                    optimisation.title,
                    f"{measure} of {WORKLOADS[optimisation.workload].title}",
                    *(str(gains.get(database, NOTHING)) for database in results.versions),
                    "keep" if keep else "**remove**",
                ]
            )
    return table(["optimisation", "measured by", *results.versions, "verdict"], rows)


def cost_table(results: Results) -> str:
    """Return the cost of the options."""
    rows = []
    for cell, rounds in [*results.auth.items(), *results.telemetry.items()]:
        first, *others = rounds[0]
        for name in others:
            cost = median(rounds, name, cpu) - median(rounds, first, cpu)
            measured = ratio(rounds, name, first, rate)
            rows.append([cell.database, name, str(measured), f"{cost * 1e6:.0f}"])
    return table(["database", "with", "rate ratio", "CPU µs per request"], rows)


def depth_table(results: Results) -> str:
    """Return the rates of the first page and of a deep one, and their ratio."""
    rows = []
    for database in results.versions:
        pages = [
            results.cells.get(Cell(database, name, CONNECTIONS)) for name in (FIRST_PAGE, DEEP_PAGE)
        ]
        if pages[0] and pages[1]:
            rates = [[each[STYLES[0]].rate for each in rounds] for rounds in pages if rounds]
            deep = ratio_of(list(zip(rates[1], rates[0], strict=True)))
            row = [f"{statistics.median(each):,.0f}" for each in rates]
            rows.append([database, *row, str(deep)])
    return table(["database", "first page", "page 9,000", "ratio"], rows)


def contender_table(results: Results) -> str:
    """Return the rates, memory and startup times of the contenders."""
    rows = []
    for database, starts in results.starts.items():
        for name, seconds in starts.items():
            row = [database, name]
            for workload in COMPARED:
                rounds = results.cells.get(Cell(database, workload, CONNECTIONS), [])
                row.append(
                    f"{median(rounds, name, rate):,.0f} ({median(rounds, name, p99) * 1e3:.0f} ms)"
                    if rounds and name in rounds[0]
                    else NOTHING
                )
            memory = results.memory.get(database, {}).get(name)
            row += [f"{memory / 2**20:.0f}" if memory else NOTHING]
            rows.append([*row, f"{statistics.median(seconds):.2f}"])
    head = ["database", "contender", *(WORKLOADS[workload].title for workload in COMPARED)]
    return table([*head, "memory MiB", "startup s"], rows)


def workers_table(results: Results) -> str:
    """Return the ratios of two workers to one, and the load of each program meanwhile."""
    rows = []
    for (database, workload), rounds in results.workers.items():
        loads = [
            median(rounds, TWO, lambda each: each.server_load),
            median(rounds, TWO, lambda each: each.database_load),
            median(rounds, TWO, lambda each: each.wrk_load),
            median(rounds, TWO, lambda each: each.other_load),
        ]
        left = (os.cpu_count() or 1) - sum(loads[1:])
        # The expected ratio on two free processors, from the processor time of a request.
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
    head = ["workload", ONE, TWO, "ratio", "by CPU"]
    return table([*head, "service", "database", "wrk", "other", "room"], rows)
