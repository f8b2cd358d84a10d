"""The reports of the benchmarks; `make bench-quick` tests the measurements."""

import re

import pytest

from benchmarks.contenders import STYLES
from benchmarks.load import SCRIPT, Measurement
from benchmarks.report import TITLE, replace_section
from benchmarks.results import CONNECTIONS, TARGETS, WORKLOADS, Cell, Ratio, Results
from benchmarks.tables import AT_LEAST, AT_MOST, cell_table, judged, target_table


def measured(rate: float) -> Measurement:
    """Make a measurement of a server that is always busy."""
    return Measurement(
        rate, 0.001, 0.002, 1 / rate, server_load=1, database_load=0, wrk_load=0, other_load=0
    )


def test_section_is_replaced_beside_others() -> None:
    text = TITLE
    for heading, markdown in [("One", "1\n\n### More\n\n2\n"), ("Two", "3"), ("One", "4\n")]:
        text = replace_section(text, heading, markdown)

    assert text == f"{TITLE}\n## One\n\n4\n\n## Two\n\n3\n"
    assert replace_section(text, "Two", "3") == text


@pytest.mark.parametrize(
    ("median", "sign", "met"),
    [(1.5, AT_LEAST, True), (1.49, AT_LEAST, False), (1.5, AT_MOST, True), (1.51, AT_MOST, False)],
)
def test_target_is_met_by_the_median(median: float, sign: str, met: bool) -> None:  # noqa: FBT001
    assert judged(Ratio(median, 0, 9), sign, 1.5).endswith("(0.00-9.00) met") is met


def test_faster_contender_has_ratio_above_one() -> None:
    others = {other: measured(100) for other in WORKLOADS["read-one"].others}
    rounds = [
        {STYLES[0]: measured(ours), STYLES[1]: measured(1), **others} for ours in (150, 200, 400)
    ]
    cell = Cell("sqlite", "read-one", CONNECTIONS)
    results = Results("", [], 1, versions={"sqlite": ""}, cells={cell: rounds})

    *_, other = cell_table(rounds).splitlines()

    by_rate_and_by_cpu = r"\| 2\.00 \(1\.50-4\.00\) +\| 0\.01 +\| 2\.00 +\| 0\.01 +\|$"
    assert re.search(by_rate_and_by_cpu, other)
    assert "| ≥ 1.5  | 2.00 (1.50-4.00) met | 0.01 **not met** |" in target_table(results)


def test_workloads_have_requests_and_targets_workloads() -> None:
    assert set(re.findall(r'\["([a-z-]+)"\] =', SCRIPT.read_text("utf-8"))) == set(WORKLOADS)
    assert all(other in WORKLOADS[workload].others for workload, other, _ in TARGETS)
