"""Health: what an orchestrator asks before it restarts the process, or sends it requests."""

import asyncio
from typing import Literal

from nest.core import Controller, Get
from pydantic import BaseModel
from sqlalchemy import select

from src.config import config, settings

from .errors import ProblemResponse, unavailable


class Health(BaseModel):
    """That all is well; anything else is a problem."""

    status: Literal["ok"] = "ok"


@Controller("health", tag="health")
class HealthController:
    """`/health/live` asks the process, `/health/ready` its database too."""

    @Get("/live", response_model=Health)
    async def get_live(self) -> Health:
        return Health()

    @Get("/ready", response_model=Health)
    async def get_ready(self) -> Health | ProblemResponse:
        asking = asyncio.create_task(self._ask_database())
        # Nobody else will look at it when it fails too late.
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            # Not wait_for: it would also wait until a connection that hangs is closed.
            await asyncio.wait({asking}, timeout=settings.health_timeout)
            if not asking.done():
                return unavailable(TimeoutError("HEALTH_TIMEOUT"))
        finally:
            asking.cancel()
        error = asking.exception()
        return unavailable(error) if error else Health()

    async def _ask_database(self) -> None:
        async with config.engine.connect() as connection:
            await connection.execute(select(1))
