"""The benchmark results page. `make bench-quick` tests the measurements themselves."""

import re
from pathlib import Path

import pytest

from benchmarks.ablation import OPTIMISATIONS, make_ablated
from benchmarks.contenders import (
    BARE,
    CLI,
    HANDWRITTEN,
    STYLES,
    Contender,
    MeasurementError,
    Patch,
    add_orders,
    apply_patches,
)
from benchmarks.load import SCRIPT, Measurement
from benchmarks.page import write
from benchmarks.report import HEADINGS, RESULTS, TITLE, replace_section
from benchmarks.results import (
    COMPARED,
    COMPARISONS,
    CONNECTIONS,
    ONE,
    TWO,
    WORKLOADS,
    Cell,
    Ratio,
    Results,
)
from benchmarks.tables import AT_LEAST, AT_MOST, ablation_table, cell_table, judged, target_table
from tools.template import DATABASES, render

NAMES = [*STYLES, CLI, HANDWRITTEN, BARE]


def measured(rate: float, p99: float = 0.002) -> Measurement:
    """Create the measurement of a server that is always busy."""
    return Measurement(
        rate, 0.001, p99, 1 / rate, server_load=1, database_load=0, wrk_load=0, other_load=0
    )


def test_replacing_a_section_keeps_the_others() -> None:
    text = "# Old\n\n## Gone\n\n0\n"
    one, two, _ = HEADINGS
    for heading, markdown in [(two, "3"), (one, "1\n\n### More\n\n2\n"), (one, "4\n")]:
        text = replace_section(text, heading, markdown)

    assert text == f"{TITLE}\n## {one}\n\n4\n\n## {two}\n\n3\n"
    assert replace_section(text, two, "3") == text


@pytest.mark.parametrize(
    ("median", "sign", "met"),
    [(1.5, AT_LEAST, True), (1.49, AT_LEAST, False), (1.5, AT_MOST, True), (1.51, AT_MOST, False)],
)
def test_target_is_met_by_the_median(median: float, sign: str, *, met: bool) -> None:
    assert judged(Ratio(median, 0, 9), sign, 1.5).endswith("(0.00-9.00) met") is met


def test_faster_contender_has_ratio_above_one() -> None:
    others = {other: measured(100) for other in WORKLOADS["read-one"].others}
    rounds = [
        {STYLES[0]: measured(ours), STYLES[1]: measured(1), **others} for ours in (150, 200, 400)
    ]
    cell = Cell("postgresql", "read-one", CONNECTIONS)
    results = Results("", [], 1, versions={"postgresql": ""}, cells={cell: rounds})

    *_, other = cell_table(rounds).splitlines()
    targets = target_table(results)

    assert re.search(r"\| 2\.00 \(1\.50-4\.00\) +\| 1\.00 +\| 0\.50 \(0\.25-0\.67\) +\|$", other)
    assert "| ≥ 1.8  | 2.00 (1.50-4.00) met | 0.01 **not met** |" in targets
    assert "| ≤ 0.6  | 1.00 **not met**     | 1.00 **not met** |" in targets


def test_ablation_table_marks_useless_optimisations() -> None:
    whole, slower = measured(120, 0.01), measured(100, 0.02)
    rounds = [
        {STYLES[0]: whole, "without AUTOCOMMIT": slower, "without places": slower}
        | {"without prebuilt statements": measured(111)}
    ]
    cell = Cell("mysql", "read-one", CONNECTIONS)
    results = Results("", [], 1, versions={"mysql": ""}, ablation={cell: rounds})

    _, _, *rows = ablation_table(results).splitlines()

    assert [re.split(r" *\| ", row.strip("| "))[1:] for row in rows] == [
        ["rate of read one", "1.20", "keep"],
        ["p99 of read one", "2.00", "keep"],
        ["rate of read one", "1.08", "**remove**"],
    ]


@pytest.mark.parametrize("database", DATABASES)
def test_ablation_patches_apply(tmp_path: Path, database: str) -> None:
    project = add_orders(render(str(tmp_path), database=database, session_style=STYLES[0]))

    ablated = make_ablated(Contender("whole", [], project), database, tmp_path / "ablated")

    assert len(ablated) == sum(database in each.databases for each in OPTIMISATIONS.values())
    for contender in ablated:
        for path in {patch.path for patch in OPTIMISATIONS[contender.name].patches}:
            source = (contender.folder / path).read_text(encoding="utf-8")
            assert source != (project / path).read_text(encoding="utf-8")
            compile(source, path, "exec")


@pytest.mark.parametrize("text", ["one", "two two"])
def test_patch_needs_its_exact_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "module.py").write_text(text)

    with pytest.raises(MeasurementError, match=r"^module\.py has 'two' [02] times"):
        apply_patches(tmp_path, [Patch("module.py", "two", "three")])

    assert (tmp_path / "module.py").read_text() == text


def test_results_fit_in_270_lines() -> None:
    results = Results("", [], 1, versions=dict.fromkeys(DATABASES, ""))
    for database in DATABASES:
        results.memory[database] = dict.fromkeys(NAMES, 1)
        results.starts[database] = {name: [1.0] for name in NAMES}
        results.workers[database, "read-one"] = [{ONE: measured(1), TWO: measured(1)}]
        for name in COMPARED:
            others = [*STYLES, *WORKLOADS[name].others]
            results.cells[Cell(database, name, CONNECTIONS)] = [
                {name: measured(1) for name in others}
            ]
        results.auth[Cell(database, "read-one", CONNECTIONS)] = [
            {name: measured(1) for name in (STYLES[0], "RS256 token", "ES256 token")}
        ]
        shares = ("no endpoint", "10 % of traces", "all traces")
        results.telemetry[Cell(database, "read-one", CONNECTIONS)] = [
            {name: measured(1) for name in (STYLES[0], *shares)}
        ]
        for name in {each.workload for each in OPTIMISATIONS.values()}:
            results.ablation[Cell(database, name, CONNECTIONS)] = [
                {name: measured(1) for name in [STYLES[0], *OPTIMISATIONS]}
            ]

    page = replace_section(RESULTS.read_text(encoding="utf-8"), HEADINGS[0], write(results))

    assert len(page.splitlines()) <= 270


def test_workloads_and_their_references_are_complete() -> None:
    assert set(re.findall(r'\["([a-z-]+)"\] =', SCRIPT.read_text("utf-8"))) == set(WORKLOADS)
    assert all(other in WORKLOADS[workload].others for workload, other, _ in COMPARISONS)
    assert all(each.workload in WORKLOADS for each in OPTIMISATIONS.values())
