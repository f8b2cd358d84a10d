"""A module for the tests of core, so that they don't depend on the app's modules."""

import asyncio

from nest.core import Controller, Delete, Depends, Get, Injectable, Module, Post, PyNestFactory
from nest.core.decorators.database import async_db_request_handler
from sqlalchemy import ForeignKey, MetaData, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from src.config import config
from src.core.core_module import install, lifespan
from src.core.database import Base
from src.core.models import InputModel


class CoreItem(Base):
    __tablename__ = "core_items"
    # Separate metadata: the app's tables must all have a migration.
    metadata = MetaData()

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("core_items.id"))


class ItemCreate(InputModel):
    name: str
    parent_id: int | None = None


@Injectable
class ItemsService:
    """A service with both session styles: two methods get a session, the others open one."""

    @async_db_request_handler
    async def add_item(self, item: ItemCreate, session: AsyncSession) -> int:
        added = CoreItem(**item.model_dump())
        session.add(added)
        await session.commit()
        return added.id

    @async_db_request_handler
    async def get_items(self, session: AsyncSession) -> list[str]:
        result = await session.execute(select(CoreItem.name))
        return list(result.scalars())

    @async_db_request_handler
    async def get_item(self, item_id: int) -> str | None:
        async with config.get_session() as session:
            item = await session.get(CoreItem, item_id)
            return item.name if item else None

    @async_db_request_handler
    async def remove_item(self, item_id: int) -> None:
        async with config.get_session() as session:
            await session.delete(await session.get_one(CoreItem, item_id))
            await session.commit()


@Controller("items")
class ItemsController:
    def __init__(self, service: ItemsService) -> None:
        self.service = service

    @Post("/")
    async def add_item(
        self, item: ItemCreate, session: AsyncSession = Depends(config.get_db)
    ) -> int:
        return await self.service.add_item(item, session)

    @Get("/")
    async def get_items(self, session: AsyncSession = Depends(config.get_db)) -> list[str]:
        return await self.service.get_items(session)

    @Get("/{item_id}")
    async def get_item(self, item_id: int) -> str | None:
        return await self.service.get_item(item_id)

    @Delete("/{item_id}")
    async def remove_item(self, item_id: int) -> None:
        await self.service.remove_item(item_id)


@Module(controllers=[ItemsController], providers=[ItemsService])
class ItemsModule:
    pass


http_server = PyNestFactory.create(ItemsModule, lifespan=lifespan).get_server()
install(http_server)


async def settle() -> None:
    """Let all tasks go on until they are done or wait for I/O, a timer or an event."""
    for _ in range(1000):
        await asyncio.sleep(0)
