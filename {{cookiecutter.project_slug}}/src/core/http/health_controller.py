"""Health checks: an orchestrator calls them before it restarts the process or sends requests."""

import asyncio
from typing import Literal

from fastapi import Request, Response
from nest.core import Controller, Get
from pydantic import BaseModel

from src.core.errors import problem, unavailable


class Health(BaseModel):
    """The service is well; any other response is a problem."""

    status: Literal["ok"] = "ok"


@Controller("health", tag="health")
class HealthController:
    """`/health/live` checks the process, `/health/ready` its database too."""

    check: asyncio.Future[list[BaseException | None]] | None = None

    @Get("/live", response_model=Health)
    async def get_live(self) -> Health:
        return Health()

    @Get("/ready", response_model=Health)
    async def get_ready(self, request: Request) -> Health | Response:
        if request.app.state.is_stopping:
            return problem(503, "The service is shutting down.", {"Retry-After": "5"})
        timeout = request.app.state.settings.health_timeout
        # All requests share one check: each opens a connection, and anybody may ask.
        if self.check is None or self.check.done():
            ping = asyncio.wait_for(request.app.state.config.ping(), timeout)
            self.check = asyncio.gather(ping, return_exceptions=True)
        check = self.check
        # Not wait_for: it would cancel the others' check, and wait for a connection that hangs.
        await asyncio.wait({check}, timeout=timeout)
        [error] = check.result() if check.done() else [TimeoutError("HEALTH_TIMEOUT")]
        return unavailable(error) if error else Health()
