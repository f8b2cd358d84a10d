"""Check the promises in CONTRIBUTING.md: their tests must run and pass in the same run.

A promise may name a test of the rendered project. The `run_own_tests` fixture runs those tests. It
passes their outcomes on as a property of the calling test.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

HEADING = "\n## Promises\n"
#: The name of the property with the outcomes of a project's tests.
PROPERTY = "own tests"
#: The start of the reason if a test is skipped because its server is missing.
MISSING = "missing server: "
WORST_FIRST = ("failed", "skipped", "passed")

#: Options that deselect tests. A run with one of them doesn't check promises.
SELECTIONS = (
    "collectonly",
    "deselect",
    "ignore",
    "ignore_glob",
    "keyword",
    "lf",
    "markexpr",
    "stepwise",
)


@dataclass(frozen=True)
class Promise:
    """One row of the table, with the names of its tests."""

    text: str
    tests: list[str]


def read_promises(contributing: Path) -> list[Promise]:
    """Parse the table of promises, without its header and its group headings."""
    _, _, section = contributing.read_text(encoding="utf-8").partition(HEADING)
    section, _, _ = section.partition("\n## ")
    rows = re.findall(r"^\| (?!promise \| |---|\*\*)(.+?) \| (.*)\|$", section, re.MULTILINE)
    return [Promise(text, re.findall(r"`(\w+)`", tests)) for text, tests in rows]


def read_outcomes(report: Path) -> dict[str, str]:
    """Read each test's outcome from a JUnit report. The worst case of a test counts."""
    outcomes: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest wrote it
        parts = {part.tag for part in case}
        failed = bool(parts & {"failure", "error"})
        outcome = "failed" if failed else "skipped" if "skipped" in parts else "passed"
        outcomes[function_name(case.attrib["name"])].add(outcome)
    return {name: min(found, key=WORST_FIRST.index) for name, found in outcomes.items()}


def function_name(case: str) -> str:
    """Return a test's function name, without its path, parameters and xdist group."""
    return case.partition("[")[0].partition("@")[0].rpartition("::")[2]


class PromiseChecker:
    """A pytest plugin that fails a complete run if it breaks a promise.

    Args:
        contributing: the file with the table of promises.
    """

    def __init__(self, contributing: Path) -> None:
        self.contributing = contributing
        self.outcomes: dict[str, set[str]] = defaultdict(set)
        self.broken: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the outcomes. xdist sends the workers' reports to the main process."""
        if report.when == "call" or not report.passed:
            outcome: str = report.outcome
            if report.skipped and f"Skipped: {MISSING}" in str(report.longrepr):
                outcome = "missing"
            self.outcomes[function_name(report.nodeid)].add(outcome)
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, dict):
                for test, own_outcome in value.items():
                    self.outcomes[test].add(own_outcome)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the run if it was complete and broke a promise."""
        ended = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
        if not ended or session.shouldfail or not selects_everything(session.config):
            return
        for promise in read_promises(self.contributing):
            verdicts = [f"{test} {bad}" for test in promise.tests if (bad := self.judge(test))]
            if not promise.tests:
                verdicts = ["no test is named"]
            self.broken += [f"{promise.text}: {verdict}" for verdict in verdicts]
        if self.broken:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print one line for each broken promise and test."""
        if self.broken:
            terminalreporter.section("broken promises", red=True)
            for line in self.broken:
                terminalreporter.line(f"BROKEN {line}", red=True)

    def judge(self, test: str) -> str | None:
        """Return why a test breaks a promise, or None if it passed or lacks its server."""
        outcomes = self.outcomes.get(test, set())
        if not outcomes:
            return "did not run"
        return next((bad for bad in ("failed", "skipped") if bad in outcomes), None)


def selects_everything(config: pytest.Config) -> bool:
    """Return whether a run contains every test of the suite."""
    everywhere = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return everywhere and not any(config.getoption(name, None) for name in SELECTIONS)
