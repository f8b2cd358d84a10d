"""Test data for this module, and for modules that refer to it."""

from itertools import count
from typing import Any

import httpx

NUMBERS = count(1)


async def new_example(_: httpx.AsyncClient) -> dict[str, Any]:
    """Return a valid body with unique values."""
    number = next(NUMBERS)
    return {
        "name": f"name {number}",
    }


async def add_example(client: httpx.AsyncClient, /, **values: Any) -> Any:
    """Create a row with the given values through the API, and return it."""
    response = await client.post("/examples", json=await new_example(client) | values)
    assert response.status_code == 201, response.text
    return response.json()
