from fastapi import HTTPException
from nest.core import Injectable
from nest.core.decorators.database import async_db_request_handler
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from src.core.database import Reader
from src.core.models import columns_of
from src.core.paging import CursorPage, select_page

from .examples_entity import Example as ExampleEntity
from .examples_model import Example, ExampleCreate, ExamplesQuery, ExampleUpdate

# Built once: building a statement takes longer than executing it.
ALL = select(*columns_of(ExampleEntity, Example))
BY_ID = ALL.where(ExampleEntity.id == bindparam("id"))


@Injectable
class ExamplesService:
    @async_db_request_handler
    async def add_example(self, example: ExampleCreate, session: AsyncSession) -> Example:
        new_example = ExampleEntity(**example.model_dump())
        session.add(new_example)
        await session.commit()
        return Example.model_validate(new_example)

    @async_db_request_handler
    async def get_examples(self, query: ExamplesQuery, reader: Reader) -> CursorPage[Example]:
        result = await reader.execute(*select_page(ALL, ExampleEntity, query))
        return CursorPage[Example].of(result.all(), query)

    @async_db_request_handler
    async def get_example(self, example_id: int, reader: Reader) -> Example:
        result = await reader.execute(BY_ID, {"id": example_id})
        row = result.one_or_none()
        if row is None:
            raise self._not_found(example_id)
        return Example.model_validate(row)

    @async_db_request_handler
    async def update_example(
        self, example_id: int, changes: ExampleUpdate, session: AsyncSession
    ) -> Example:
        example = await self._find(example_id, session)
        for name, value in changes.model_dump(exclude_unset=True).items():
            setattr(example, name, value)
        await session.commit()
        return Example.model_validate(example)

    @async_db_request_handler
    async def remove_example(self, example_id: int, session: AsyncSession) -> None:
        example = await self._find(example_id, session)
        await session.delete(example)
        await session.commit()

    async def _find(self, example_id: int, session: AsyncSession) -> ExampleEntity:
        example = await session.get(ExampleEntity, example_id)
        if example is None:
            raise self._not_found(example_id)
        return example

    def _not_found(self, example_id: int) -> HTTPException:
        return HTTPException(404, f"There is no example {example_id}.")
