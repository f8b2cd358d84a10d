from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase

class AsyncOrmProvider:
    Base: type[DeclarativeBase]
    config_url: str | URL
    engine: AsyncEngine
    session: async_sessionmaker[AsyncSession]

    def __init__(self, db_type: str, config_params: dict[str, Any], **kwargs: Any) -> None: ...
    async def create_all(self) -> None: ...
    async def drop_all(self) -> None: ...
    def get_db(self) -> AsyncGenerator[AsyncSession]: ...
    def get_session(self) -> AbstractAsyncContextManager[AsyncSession]: ...
