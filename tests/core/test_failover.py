"""Failover: no connection to a server that only reads stays in a pool."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.exc import DBAPIError
from src.config import config, settings
from src.core.database import DatabaseProvider
from src.core.http.database_errors import is_unavailable

from .items import CoreItem

pytestmark = pytest.mark.usefixtures("core_client")
READ_ONLY = {
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
}


class Cluster:
    """A provider. Its new connections reach a standby while `is_standby` is true."""

    def __init__(self) -> None:
        self.is_standby = False
        self.opened = 0
        self.provider = DatabaseProvider(
            config.engine.dialect.name, settings.config_params, settings.engine_params
        )
        for engine in (self.provider.engine, self.provider.read_engine):
            event.listen(engine.sync_engine, "connect", self._connect)

    def _connect(self, connection: Any, _: object) -> None:
        self.opened += 1
        if self.is_standby:
            cursor = connection.cursor()
            cursor.execute(READ_ONLY[config.engine.dialect.name])
            cursor.close()
            connection.commit()

    async def write(self) -> None:
        async with self.provider.get_session() as session:
            await session.execute(insert(CoreItem).values(name="Ada"))
            await session.commit()

    async def read(self) -> None:
        await self.provider.reader.execute(select(CoreItem.id))


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    yield cluster
    await cluster.provider.dispose()


async def test_write_after_a_failover_connects_again(cluster: Cluster) -> None:
    cluster.is_standby = True
    for _ in range(2):
        # Each attempt asks where the primary is.
        with pytest.raises(DBAPIError) as caught:
            await cluster.write()
        assert is_unavailable(caught.value)

    cluster.is_standby = False
    await cluster.write()

    assert cluster.opened == 3


async def test_failed_write_replaces_all_connections(cluster: Cluster) -> None:
    cluster.is_standby = True
    await asyncio.gather(*(cluster.read() for _ in range(20)))
    reading = cluster.opened
    assert reading > 1
    await asyncio.gather(*(cluster.read() for _ in range(20)))
    assert cluster.opened == reading

    with pytest.raises(DBAPIError):
        await cluster.write()
    cluster.is_standby, cluster.opened = False, 0
    await asyncio.gather(*(cluster.read() for _ in range(20)))

    assert cluster.opened == reading


async def test_other_errors_replace_no_connection(cluster: Cluster) -> None:
    await cluster.write()
    with pytest.raises(DBAPIError):
        await cluster.provider.reader.execute(insert(CoreItem).values(name=None))
    await cluster.read()

    assert cluster.opened == 2
