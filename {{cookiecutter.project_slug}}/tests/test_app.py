from pathlib import Path

import httpx

from src.app_service import APP_INFO


async def test_root_returns_name_and_version(client: httpx.AsyncClient) -> None:
    response = await client.get("/")

    assert response.status_code == 200
    assert response.json() == APP_INFO.model_dump()


async def test_version_matches_pyproject() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"

    assert f'version = "{APP_INFO.app_version}"' in project.read_text(encoding="utf-8")


async def test_api_is_documented(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    page = await client.get("/docs")

    assert document["info"]["title"] == APP_INFO.app_name
    assert set(document["paths"]) >= {"/", "/health/live", "/health/ready"}
    assert page.status_code == 200
