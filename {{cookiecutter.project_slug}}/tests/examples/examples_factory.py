"""Rows for the tests of this module, and of those that refer to it."""

from itertools import count
from typing import Any

import httpx

NUMBERS = count(1)


async def new_example(_: httpx.AsyncClient) -> dict[str, Any]:
    """Make a body that can be posted, and that is like none before."""
    number = next(NUMBERS)
    return {
        "name": f"name {number}",
    }


async def add_example(client: httpx.AsyncClient, /, **values: Any) -> Any:
    """Post a body, with some values of its own, and return the response's."""
    response = await client.post("/examples", json=await new_example(client) | values)
    assert response.status_code == 201, response.text
    return response.json()
