[% set one = cookiecutter.singular %]
[% set inputs = cookiecutter.fields | rejectattr("type.set_by_app") | list %]
[% set references = inputs | selectattr("reference") | list %]
"""Test data for this module, and for modules that refer to it."""

[% if references | length < inputs | length %]
from itertools import count
[% endif %]
from typing import Any

import httpx

[% for enum in inputs | selectattr("enum") | map(attribute="enum") %]
from src.[[ cookiecutter.module_name ]].[[ cookiecutter.module_name ]]_model import [[ enum.name ]]
[% endfor %]
[% for each in references | map(attribute="reference") | unique %]
from tests.[[ each.module ]].[[ each.module ]]_factory import [[ each.factory ]]
[% endfor %]

[% if references | length < inputs | length %]
NUMBERS = count(1)


[% endif %]
async def new_[[ one ]]([[ "client" if references else "_" ]]: httpx.AsyncClient) -> dict[str, Any]:
    """Return a valid body with unique values."""
[% if references | length < inputs | length %]
    number = next(NUMBERS)
[% endif %]
    return {
[% for field in inputs %]
[% if field.reference %]
        "[[ field.name ]]": (await [[ field.reference.factory ]](client))["id"],
[% else %]
        "[[ field.name ]]": [[ field.sample ]],
[% endif %]
[% endfor %]
    }


async def add_[[ one ]](client: httpx.AsyncClient, /, **values: Any) -> Any:
    """Create a row with the given values through the API, and return it."""
    response = await client.post("/[[ cookiecutter.route ]]", json=await new_[[ one ]](client) | values)
    assert response.status_code == 201, response.text
    return response.json()
