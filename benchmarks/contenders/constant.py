"""FastAPI that returns constants: what a service costs that does nothing."""

from typing import Any

from fastapi import FastAPI

app = FastAPI()

EXAMPLE = {"id": 1, "name": "example 1"}
PAGE = {
    "items": [{"id": number, "name": f"example {number}"} for number in range(1, 21)],
    "next": 20,
}
HEALTH = {"status": "ok"}


@app.get("/examples/{example_id}")
async def get_example(example_id: int) -> dict[str, Any]:  # noqa: ARG001  # a constant
    return EXAMPLE


@app.get("/examples")
async def get_examples() -> dict[str, Any]:
    return PAGE


@app.get("/health/live")
async def get_live() -> dict[str, Any]:
    return HEALTH
