"""Schemathesis tests the responses against the OpenAPI schema.

It uses the databases that reject most values. `tests/core` sends values at all bounds to each one.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tools.template import TEMPLATE, run

from .helpers.serving import free_port, on, serving

pytestmark = pytest.mark.matrix

#: A field of each type.
FIELDS = (
    "name:str:unique note:text? size:int:index=5 count:bigint ratio:float? price:decimal=0 "
    "open:bool=true day:date? at:datetime? key:uuid? extra:json? example_id:ref(examples)? "
    "state:enum(new,paid):index=new born:created changed:updated"
)


def adapt(schema: dict[str, Any]) -> dict[str, Any]:
    """Remove bounds that Schemathesis can't handle. Core's tests send values at all bounds."""
    # It turns a pattern and a length into one regular expression, which takes seconds to match.
    if schema.get("maxLength", 0) > 1000:
        del schema["maxLength"]
    return schema


@on("postgresql-service", "mysql-controller")
def test_responses_match_the_openapi_schema(
    project: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    """Test a module with every type of field, and all other routes."""
    run("uv sync --quiet", project)
    folder = tmp_path / "my-app"
    shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".venv", ".env", ".*_cache"))
    run(f"make module name=things fields='{FIELDS}'", folder, **variables)
    config = TEMPLATE / "tests" / "helpers" / "schemathesis.toml"
    document = tmp_path / "openapi.json"

    with serving("uv run python main.py", folder, free_port(), variables) as client:
        documented = json.loads(client.get("/openapi.json").content, object_hook=adapt)
        for operations in documented["paths"].values():
            for operation in operations.values():
                # This check would accept every status code, including 500.
                del operation["responses"]["default"]
                # Only the service can make a cursor, and other text is rejected.
                parameters = operation.get("parameters", [])
                parameters[:] = [each for each in parameters if each["name"] != "cursor"]
        document.write_text(json.dumps(documented))
        options = ["--url", str(client.base_url), "--no-color"]
        # Schemathesis writes its notes to the working directory.
        printed = run(
            ["st", "--config-file", str(config), "run", str(document), *options], tmp_path
        )

    assert "No issues found" in printed
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in printed, printed
