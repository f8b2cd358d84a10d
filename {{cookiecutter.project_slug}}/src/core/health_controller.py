"""Health: what an orchestrator asks before it restarts the process, or sends it requests."""

import asyncio
import logging
from typing import Literal

from fastapi import HTTPException
from nest.core import Controller, Get
from pydantic import BaseModel
from sqlalchemy import select

from src.config import config, settings

from .errors import RETRY_AFTER, problems

logger = logging.getLogger(__name__)


class Health(BaseModel):
    """That all is well; anything else is a problem."""

    status: Literal["ok"] = "ok"


@Controller("health", tag="health")
class HealthController:
    """`/health/live` asks the process, `/health/ready` its database too."""

    @Get("/live", response_model=Health)
    async def get_live(self) -> Health:
        return Health()

    @Get("/ready", response_model=Health, responses=problems(503))
    async def get_ready(self) -> Health:
        try:
            await asyncio.wait_for(self._ask_database(), settings.health_timeout)
        except Exception as error:  # noqa: BLE001  # whatever the reason, it is not ready
            logger.warning("The database does not answer: %s", type(error).__name__)
            raise HTTPException(
                503,
                "The database does not answer at the moment.",
                {"Retry-After": str(RETRY_AFTER)},
            ) from None
        return Health()

    async def _ask_database(self) -> None:
        async with config.engine.connect() as connection:
            await connection.execute(select(1))
