"""Report the time of each part of the test suite, from the JUnit report of a complete run.

Run `make test PYTEST="--junitxml build/tests.xml"`, then
`python -m benchmarks.suite build/tests.xml`.
"""

import statistics
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass

from tests.helpers.projects import COMBINATIONS

from .report import machine, write_section

SLOWEST = 12
LEGS = [str(combination) for combination in COMBINATIONS]

REPORT = """\
`make test PYTEST="--junitxml build/tests.xml"`, then `python -m benchmarks.suite build/tests.xml`,
on {machine}

The run took {wall:.0f} seconds. Its tests took {total:.0f} seconds in all processes together,
{legged:.0f} of them in the legs. The first test that uses a shared fixture includes its time.

| slowest modules | tests | seconds | in legs |
| --- | --- | --- | --- |
{files}

| leg | tests | seconds |
| --- | --- | --- |
{legs}

**Another combination takes {cost:.0f} seconds of one process**, the time of the median leg. The
processes share the work, so the run takes {longer:.0f} seconds longer.

| slowest tests, sum of their cases | cases | seconds |
| --- | --- | --- |
{slowest}
"""


@dataclass(frozen=True)
class Test:
    """One case of a test, with its time."""

    file: str
    name: str
    leg: str | None
    seconds: float


def main(path: str) -> None:
    """Read the report of a run, print the tables, and write them to RESULTS.md."""
    [suite] = ET.parse(path).getroot()  # noqa: S314  # pytest wrote it
    tests = list(read(suite))
    by_leg = {leg: [test for test in tests if test.leg == leg] for leg in LEGS}
    legged = [test for test in tests if test.leg]

    files = {
        f"`{file}`": [test for test in tests if test.file == file]
        for file in {test.file for test in tests}
    }
    names = {
        f"`{name}`": [test for test in tests if test.name == name]
        for name in {test.name for test in tests}
    }
    wall = float(suite.attrib["time"])
    cost = statistics.median(map(seconds, by_leg.values()))
    markdown = REPORT.format(
        machine=machine(),
        wall=wall,
        total=seconds(tests),
        files="\n".join(
            f"| {row(file, part)} {seconds([test for test in part if test.leg]):.0f} |"
            for file, part in slowest_first(files)[:SLOWEST]
        ),
        legs="\n".join(f"| {row(leg, part)}" for leg, part in by_leg.items()),
        cost=cost,
        longer=cost * wall / seconds(tests),
        legged=seconds(legged),
        slowest="\n".join(f"| {row(name, part)}" for name, part in slowest_first(names)[:SLOWEST]),
    )
    print(markdown)
    write_section("The test suite", markdown)


def read(suite: ET.Element) -> Iterator[Test]:
    """Yield the tests of a report. The parameters of a leg's test contain the leg's name."""
    for case in suite.iter("testcase"):
        # The name is followed by parameters and xdist's group.
        name, _, parameters = case.attrib["name"].partition("@")[0].partition("[")
        legs = [leg for leg in LEGS if leg in parameters]
        # A test with two legs in its name compares them, and belongs to neither.
        leg = legs[0] if len(legs) == 1 else None
        file = case.attrib["classname"].rpartition(".")[2]
        yield Test(file, name, leg, float(case.attrib["time"]))


def seconds(tests: list[Test]) -> float:
    return sum(test.seconds for test in tests)


def slowest_first(groups: dict[str, list[Test]]) -> list[tuple[str, list[Test]]]:
    return sorted(groups.items(), key=lambda group: -seconds(group[1]))


def row(name: str, tests: list[Test]) -> str:
    return f"{name} | {len(tests)} | {seconds(tests):.0f} |"


if __name__ == "__main__":
    main(*sys.argv[1:])
