"""Test the check of promises on a small test suite."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tools.template import SOURCE, TEMPLATE, environment

from .helpers.promises import HEADING, read_promises

CONFTEST = """\
from pathlib import Path

from tests.conftest import run_own_tests
from tests.helpers.promises import PromiseChecker


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(PromiseChecker(Path("CONTRIBUTING.md")))
"""
SUITE = '''\
import sys
from pathlib import Path

import pytest

from tests.helpers.serving import find_server


@pytest.mark.parametrize("case", ["a::b", "[c]@d"])
def test_passes(case):
    pass


def test_fails():
    assert 0


def test_skips():
    pytest.skip("no tea")


@pytest.mark.parametrize("case", [1, 2])
def test_skips_one(case):
    if case == 2:
        pytest.skip("no tea")


@pytest.mark.xfail
def test_fails_as_expected():
    assert 0


@pytest.fixture
def broken():
    raise OSError


def test_gets_no_fixture(broken):
    pass


def test_lacks_its_server():
    find_server("mysql")


OWN = """
import pytest

@pytest.mark.parametrize("case", [1, 2])
def test_own_passes(case):
    pass

@pytest.mark.parametrize("case", [1, 2])
def test_own_fails(case):
    assert case == 1

@pytest.mark.parametrize("case", [1, 2])
def test_own_skips(case):
    if case == 1:
        pytest.skip("no tea")
"""


def test_project(run_own_tests, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "test_own.py").write_text(OWN)
    command = [sys.executable, "-m", "pytest"]
    run_own_tests(command, tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
'''
#: The tests in the table, and the expected verdicts.
VERDICTS = {
    "passes": None,
    "was_renamed": "did not run",
    "fails": "failed",
    "skips": "skipped",
    "skips_one": "skipped",
    "fails_as_expected": "skipped",
    "gets_no_fixture": "failed",
    "lacks_its_server": None,
    "own_passes": None,
    "own_fails": "failed",
    "own_skips": "skipped",
}
BROKEN = ["BROKEN empty promise: no test is named"]
BROKEN += [
    f"BROKEN promise of {name}: test_{name} {verdict}"
    for name, verdict in VERDICTS.items()
    if verdict
]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Write a suite, and a table that names each of its tests and one that doesn't exist."""
    rows = ["| empty promise | |"]
    rows += [f"| promise of {name} | `test_passes`, `test_{name}` |" for name in VERDICTS]
    table = ["| promise | test |", "| --- | --- |", "| **Tea** | |", *rows]
    later = ["", "## Later", "| promise | `test_elsewhere` |", ""]
    (tmp_path / "CONTRIBUTING.md").write_text("\n".join([HEADING, *table, *later]))
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = suite\n")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "test_tea.py").write_text(SUITE)
    return tmp_path


def run_suite(suite: Path, options: str = "", required: str = "") -> tuple[int, list[str], str]:
    """Return the exit code, the lines about promises, and the whole output.

    Each process loads only xdist, because the other plugins of the tests start slowly.
    """
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", *shlex.split(options)],
        cwd=suite,
        env=environment(
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
            PYTHONPATH=str(TEMPLATE),
            REQUIRE_DATABASES=required,
            MYSQL_PORT="1",
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("BROKEN")]
    return result.returncode, lines, result.stdout


def test_promises_name_existing_tests() -> None:
    sources = [*TEMPLATE.glob("tests/**/*.py"), *TEMPLATE.glob("templates/**/*.py")]
    sources += SOURCE.glob("tests/**/*.py")
    written = {
        name
        for path in sources
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }

    promises = read_promises(TEMPLATE / "CONTRIBUTING.md")

    assert len(promises) > 30
    assert [promise.text for promise in promises if not promise.tests] == []
    assert {test for promise in promises for test in promise.tests} <= written


@pytest.mark.parametrize("processes", [0, 2])
def test_broken_promises_are_listed(suite: Path, processes: int) -> None:
    _, lines, printed = run_suite(suite, f"--numprocesses {processes}")

    assert lines == BROKEN, printed


def test_missing_server_breaks_promises_in_ci(suite: Path) -> None:
    _, lines, printed = run_suite(suite, required="1")

    assert "BROKEN promise of lacks_its_server: test_lacks_its_server failed" in lines, printed


@pytest.mark.parametrize("kept", [True, False])
def test_only_kept_promises_pass_the_run(suite: Path, *, kept: bool) -> None:
    source = "def test_passes(): pass\n"
    source += "".join(f"def test_{name}(): pass\n" for name in VERDICTS if kept)
    (suite / "suite" / "test_tea.py").write_text(source)
    table = suite / "CONTRIBUTING.md"
    table.write_text(table.read_text().replace("| empty promise | |\n", ""))

    code, lines, printed = run_suite(suite)

    assert code == (0 if kept else 1), printed
    assert bool(lines) is not kept


@pytest.mark.parametrize("selection", ["-k passes", "suite/test_tea.py::test_passes", "--co"])
def test_selected_tests_check_no_promises(suite: Path, selection: str) -> None:
    code, lines, printed = run_suite(suite, selection)

    assert (code, lines) == (0, []), printed
