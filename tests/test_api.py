"""Every combination responds as its OpenAPI schema says, to all that schemathesis sends."""

import json
from pathlib import Path

import pytest

from tools import servers
from tools.template import TEMPLATE, run

from .helpers.projects import Combination
from .helpers.serving import free_port, serving

pytestmark = pytest.mark.matrix


def test_answers_are_as_documented(
    combination: Combination,
    project: Path,
    settings: dict[str, str],
    database: str,
    tmp_path: Path,
) -> None:
    servers.execute(combination.database, settings, f"CREATE DATABASE {database}")
    settings = settings | {f"{combination.database.upper()}_DB_NAME": database}
    config = TEMPLATE / "tests" / "helpers" / "schemathesis.toml"
    document = tmp_path / "openapi.json"

    with serving("uv run python main.py", project, free_port(), settings) as client:
        documented = client.get("/openapi.json").json()
        for operations in documented["paths"].values():
            for operation in operations.values():
                # It allows any status, a 500 among them.
                del operation["responses"]["default"]
        document.write_text(json.dumps(documented))
        options = ["--url", str(client.base_url), "--no-color"]
        # Schemathesis keeps notes in the folder that it runs in.
        printed = run(
            ["st", "--config-file", str(config), "run", str(document), *options], tmp_path
        )

    assert "No issues found" in printed
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in printed, printed
