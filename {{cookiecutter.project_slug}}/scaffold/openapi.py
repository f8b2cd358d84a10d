"""Write the OpenAPI schema to `openapi.json`: `python -m scaffold.openapi`, see docs/clients.md."""

import json
from pathlib import Path

from src.app_module import http_server

FILE = Path(__file__).parents[1] / "openapi.json"


def render() -> str:
    """Return the schema as text that only changes with the API."""
    return json.dumps(http_server.openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8", newline="\n")
