"""Rows for the tests of this module, and of modules that refer to it."""

from itertools import count
from typing import Any

import httpx

NUMBERS = count(1)


async def new_example(_: httpx.AsyncClient) -> dict[str, Any]:
    """Make a valid body that differs from all others."""
    number = next(NUMBERS)
    return {
        "name": f"name {number}",
    }


async def add_example(client: httpx.AsyncClient, /, **values: Any) -> Any:
    """Post a new body with the given values, and return the response's body."""
    response = await client.post("/examples", json=await new_example(client) | values)
    assert response.status_code == 201, response.text
    return response.json()
