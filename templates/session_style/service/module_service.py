[% set one, many, variable = cookiecutter.singular, cookiecutter.many, cookiecutter.variable %]
[% set Class, Model = cookiecutter.singular_class, cookiecutter.model %]
from fastapi import HTTPException
from nest.core import Injectable
from nest.core.decorators.database import async_db_request_handler
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from src.config import config
from src.core.models import columns_of
from src.core.paging import CursorPage, select_page

from .[[ cookiecutter.module_name ]]_entity import [[ Class ]] as [[ Class ]]Entity
from .[[ cookiecutter.module_name ]]_model import [[ Class ]][[ " as " ~ Model if Model != Class ]], [[ Class ]]Create, [[ Class ]]Update, [[ cookiecutter.plural_class ]]Query

# Built once: building a statement takes longer than executing it.
ALL = select(*columns_of([[ Class ]]Entity, [[ Model ]]))
BY_ID = ALL.where([[ Class ]]Entity.id == bindparam("id"))


@Injectable
class [[ cookiecutter.plural_class ]]Service:
    def __init__(self) -> None:
        self.orm_config = config
        self.session = self.orm_config.get_session
        self.reader = self.orm_config.reader

    @async_db_request_handler
    async def add_[[ one ]](self, [[ variable ]]: [[ Class ]]Create) -> [[ Model ]]:
        new_[[ one ]] = [[ Class ]]Entity(**[[ variable ]].model_dump())
        async with self.session() as session:
            session.add(new_[[ one ]])
            await session.commit()
            return [[ Model ]].model_validate(new_[[ one ]])

    @async_db_request_handler
    async def get_[[ many ]](self, query: [[ cookiecutter.plural_class ]]Query) -> CursorPage[ [[ Model ]] ]:
        result = await self.reader.execute(*select_page(ALL, [[ Class ]]Entity, query))
        return CursorPage[ [[ Model ]] ].of(result.all(), query)

    @async_db_request_handler
    async def get_[[ one ]](self, [[ one ]]_id: int) -> [[ Model ]]:
        result = await self.reader.execute(BY_ID, {"id": [[ one ]]_id})
        row = result.one_or_none()
        if row is None:
            raise self._not_found([[ one ]]_id)
        return [[ Model ]].model_validate(row)

    @async_db_request_handler
    async def update_[[ one ]](self, [[ one ]]_id: int, changes: [[ Class ]]Update) -> [[ Model ]]:
        async with self.session() as session:
            [[ variable ]] = await self._find([[ one ]]_id, session)
            for name, value in changes.model_dump(exclude_unset=True).items():
                setattr([[ variable ]], name, value)
            await session.commit()
            return [[ Model ]].model_validate([[ variable ]])

    @async_db_request_handler
    async def remove_[[ one ]](self, [[ one ]]_id: int) -> None:
        async with self.session() as session:
            [[ variable ]] = await self._find([[ one ]]_id, session)
            await session.delete([[ variable ]])
            await session.commit()

    async def _find(self, [[ one ]]_id: int, session: AsyncSession) -> [[ Class ]]Entity:
        [[ variable ]] = await session.get([[ Class ]]Entity, [[ one ]]_id)
        if [[ variable ]] is None:
            raise self._not_found([[ one ]]_id)
        return [[ variable ]]

    def _not_found(self, [[ one ]]_id: int) -> HTTPException:
        return HTTPException(404, f"There is no [[ one | replace("_", " ") ]] {[[ one ]]_id}.")
