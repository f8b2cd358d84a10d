"""The promises in CONTRIBUTING.md: each is kept by tests that ran and passed in the same run.

A promise may name a test of the rendered project. The `run_own_tests` fixture runs those, and
hands their outcomes on as a property of the test that ran them.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

HEADING = "\n## What a service promises\n"
#: The property of a test that holds the outcomes of a project's tests.
PROPERTY = "own tests"
#: How the reason starts if a test is skipped because its server is missing.
MISSING = "missing server: "
WORST_FIRST = ("failed", "skipped", "passed")

#: Options that leave out tests; a run that has one says nothing about the promises.
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
    """A row of the table."""

    text: str
    tests: list[str]


def read_promises(contributing: Path) -> list[Promise]:
    """Read the table of promises, without its header and the headings in it."""
    _, _, section = contributing.read_text(encoding="utf-8").partition(HEADING)
    section, _, _ = section.partition("\n## ")
    rows = re.findall(r"^\| (?!promise \| |---|\*\*)(.+?) \| (.*)\|$", section, re.MULTILINE)
    return [Promise(text, re.findall(r"`(\w+)`", tests)) for text, tests in rows]


def read_outcomes(report: Path) -> dict[str, str]:
    """Read the outcome of each test from a JUnit report; the cases of a test share the worst."""
    outcomes: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # pytest wrote it
        parts = {part.tag for part in case}
        failed = bool(parts & {"failure", "error"})
        outcome = "failed" if failed else "skipped" if "skipped" in parts else "passed"
        outcomes[function_name(case.attrib["name"])].add(outcome)
    return {name: min(found, key=WORST_FIRST.index) for name, found in outcomes.items()}


def function_name(case: str) -> str:
    """Strip the folder, the parameters and xdist's group from the name of a test's case."""
    return case.partition("[")[0].partition("@")[0].rpartition("::")[2]


class PromiseChecker:
    """A pytest plugin that fails a whole run for each promise that its tests don't keep.

    Args:
        contributing: the file with the table of promises.
    """

    def __init__(self, contributing: Path) -> None:
        self.contributing = contributing
        self.outcomes: dict[str, set[str]] = defaultdict(set)
        self.broken: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the outcomes; xdist hands the reports of all its processes to the first one."""
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
        """Fail the run if it was whole and a promise was not kept."""
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
        """Print one line for each promise and test."""
        if self.broken:
            terminalreporter.section("promises not kept", red=True)
            for line in self.broken:
                terminalreporter.line(f"BROKEN {line}", red=True)

    def judge(self, test: str) -> str | None:
        """Say why a test keeps no promise; None if it passed or its server is missing."""
        outcomes = self.outcomes.get(test, set())
        if not outcomes:
            return "did not run"
        return next((bad for bad in ("failed", "skipped") if bad in outcomes), None)


def selects_everything(config: pytest.Config) -> bool:
    """Tell whether a run has every test of the suite."""
    everywhere = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return everywhere and not any(config.getoption(name, None) for name in SELECTIONS)
