from typing import Annotated

from fastapi import Query, Request, Response
{% if cookiecutter.auth == "oidc" %}
from nest.core import Controller, Delete, Get, Patch, Post, UseGuards
{% else %}
from nest.core import Controller, Delete, Get, Patch, Post
{% endif %}

{% if cookiecutter.auth == "oidc" %}
from src.core.auth import requires
{% endif %}
from src.core.errors import problems
from src.core.models import Id64
from src.core.paging import CursorPage
from src.core.routing import location

from .examples_model import Example, ExampleCreate, ExamplesQuery, ExampleUpdate
from .examples_service import ExamplesService


@Controller("examples", tag="examples")
class ExamplesController:
    def __init__(self, service: ExamplesService) -> None:
        self.service = service

    @Post("/", response_model=Example, status_code=201, responses=problems(409))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("examples:write"))
{% endif %}
    async def add_example(
        self, example: ExampleCreate, request: Request, response: Response
    ) -> Example:
        added = await self.service.add_example(example)
        response.headers["Location"] = location(request, "get_example", example_id=added.id)
        return added

    @Get("/", response_model=CursorPage[Example])
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("examples:read"))
{% endif %}
    async def get_examples(self, query: Annotated[ExamplesQuery, Query()]) -> CursorPage[Example]:
        return await self.service.get_examples(query)

    @Get("/{example_id}", response_model=Example, responses=problems(404))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("examples:read"))
{% endif %}
    async def get_example(self, example_id: Id64) -> Example:
        return await self.service.get_example(example_id)

    @Patch("/{example_id}", response_model=Example, responses=problems(404, 409))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("examples:write"))
{% endif %}
    async def update_example(self, example_id: Id64, changes: ExampleUpdate) -> Example:
        return await self.service.update_example(example_id, changes)

    @Delete("/{example_id}", status_code=204, responses=problems(404, 409))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("examples:write"))
{% endif %}
    async def remove_example(self, example_id: Id64) -> None:
        await self.service.remove_example(example_id)
