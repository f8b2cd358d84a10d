[% set one, many, variable = cookiecutter.singular, cookiecutter.many, cookiecutter.variable %]
[% set Class, Model = cookiecutter.singular_class, cookiecutter.model %]
[% set unique = cookiecutter.fields | selectattr("unique") | list %]
[% set references = cookiecutter.fields | selectattr("reference") | list %]
from typing import Annotated

from fastapi import Query, Request, Response
from nest.core import Controller, Delete, Depends, Get, Patch, Post{{ ", UseGuards" if cookiecutter.auth == "oidc" }}
from sqlalchemy.ext.asyncio import AsyncSession

from src.config import config
from src.core.database import Reader
{% if cookiecutter.auth == "oidc" %}
from src.core.auth import requires
{% endif %}
from src.core.errors import problems
from src.core.models import Id64
from src.core.paging import CursorPage
from src.core.routing import location

from .[[ cookiecutter.module_name ]]_model import [[ Class ]][[ " as " ~ Model if Model != Class ]], [[ Class ]]Create, [[ Class ]]Update, [[ cookiecutter.plural_class ]]Query
from .[[ cookiecutter.module_name ]]_service import [[ cookiecutter.plural_class ]]Service


@Controller("[[ cookiecutter.route ]]", tag="[[ cookiecutter.module_name ]]")
class [[ cookiecutter.plural_class ]]Controller:
    def __init__(self, service: [[ cookiecutter.plural_class ]]Service) -> None:
        self.service = service

    @Post("/", response_model=[[ Model ]], status_code=201[[ ", responses=problems(409)" if unique or references ]])
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("[[ cookiecutter.module_name ]]:write"))
{% endif %}
    async def add_[[ one ]](
        self,
        [[ variable ]]: [[ Class ]]Create,
        request: Request,
        response: Response,
        session: AsyncSession = Depends(config.get_db),
    ) -> [[ Model ]]:
        added = await self.service.add_[[ one ]]([[ variable ]], session)
        response.headers["Location"] = location(request, "get_[[ one ]]", [[ one ]]_id=added.id)
        return added

    @Get("/", response_model=CursorPage[ [[ Model ]] ])
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("[[ cookiecutter.module_name ]]:read"))
{% endif %}
    async def get_[[ many ]](
        self,
        query: Annotated[ [[ cookiecutter.plural_class ]]Query, Query()],
        reader: Reader = Depends(config.get_reader),
    ) -> CursorPage[ [[ Model ]] ]:
        return await self.service.get_[[ many ]](query, reader)

    @Get("/{[[ one ]]_id}", response_model=[[ Model ]], responses=problems(404))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("[[ cookiecutter.module_name ]]:read"))
{% endif %}
    async def get_[[ one ]](
        self, [[ one ]]_id: Id64, reader: Reader = Depends(config.get_reader)
    ) -> [[ Model ]]:
        return await self.service.get_[[ one ]]([[ one ]]_id, reader)

    @Patch("/{[[ one ]]_id}", response_model=[[ Model ]], responses=problems(404, 409))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("[[ cookiecutter.module_name ]]:write"))
{% endif %}
    async def update_[[ one ]](
        self,
        [[ one ]]_id: Id64,
        changes: [[ Class ]]Update,
        session: AsyncSession = Depends(config.get_db),
    ) -> [[ Model ]]:
        return await self.service.update_[[ one ]]([[ one ]]_id, changes, session)

    @Delete("/{[[ one ]]_id}", status_code=204, responses=problems(404, 409))
{% if cookiecutter.auth == "oidc" %}
    @UseGuards(requires("[[ cookiecutter.module_name ]]:write"))
{% endif %}
    async def remove_[[ one ]](
        self, [[ one ]]_id: Id64, session: AsyncSession = Depends(config.get_db)
    ) -> None:
        await self.service.remove_[[ one ]]([[ one ]]_id, session)
