"""Check that all contenders give the same responses before the measurements."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from .contenders import BARE, CLI
from .databases import Database
from .load import Server
from .results import FEW_ROWS, ROWS


@dataclass(frozen=True)
class Question:
    """A request and the expected status code."""

    method: str
    path: str
    status: int
    body: Any = None


#: The place after the example 990: `["id",990,990]`.
AFTER_990 = "WyJpZCIsOTkwLDk5MF0"
#: The requests of the workload "sorted": `["-total",500,500]`.
SORTED = "/orders?status=paid&sort=-total&cursor=WyItdG90YWwiLDUwMCw1MDBd"
#: Requests that the bare driver's app supports.
HAPPY = [
    Question("GET", "/examples/1", 200),
    Question("GET", "/examples", 200),
    Question("GET", "/health/live", 200),
    Question("GET", "/examples/1000", 200),
    Question("GET", "/examples?limit=100", 200),
    Question("GET", f"/examples?limit=5&cursor={AFTER_990}", 200),
    Question("GET", f"/examples?limit=10&cursor={AFTER_990}", 200),
    Question("POST", "/examples", 201, {"name": "näw"}),
    Question("GET", "/examples/1001", 200),
]
#: Requests that the other services support.
ALL = [
    *HAPPY,
    Question("GET", "/health/ready", 200),
    Question("GET", "/examples/1002", 404),
    Question("GET", "/examples/0", 422),
    Question("GET", "/examples/one", 422),
    Question("GET", f"/examples/{2**63 - 1}", 404),
    Question("GET", f"/examples/{2**63}", 422),
    Question("GET", "/examples?limit=0", 422),
    Question("GET", "/examples?limit=101&after=1", 422),
    Question("GET", "/examples?sort=-name&limit=7", 200),
    Question("GET", "/examples?sort=name&name=example%20500", 200),
    Question("GET", "/orders?sort=-total&limit=3", 200),
    Question("GET", SORTED, 200),
    Question("GET", "/orders?status=lost", 200),
    Question("GET", "/orders?sort=unknown", 422),
    Question("POST", "/examples", 422, {}),
    Question("POST", "/examples", 422, []),
    Question("POST", "/examples", 422, {"name": ""}),
    Question("POST", "/examples", 422, {"name": " "}),
    Question("POST", "/examples", 422, {"name": 1}),
    Question("POST", "/examples", 422, {"name": "x" * 101}),
    Question("POST", "/examples", 422, {"name": "a\0b"}),
    Question("POST", "/examples", 422, {"name": "new", "more": 1}),
    Question("POST", "/examples", 409, {"name": "example 1"}),
    Question("PATCH", "/examples/2", 200, {"name": " changed "}),
    Question("PATCH", "/examples/2", 200, {}),
    Question("PATCH", "/examples/2", 422, {"name": None}),
    Question("PATCH", "/examples/2", 409, {"name": "example 1"}),
    Question("PATCH", "/examples/1002", 404, {"name": "changed"}),
    Question("DELETE", "/examples/3", 204),
    Question("DELETE", "/examples/3", 404),
    Question("PUT", "/examples/1", 405, {"name": "changed"}),
    Question("GET", "/nowhere", 404),
]


def check_responses(servers: list[Server], database: Database) -> None:
    """Send each server the same requests, and compare its responses with the first server's.

    Raises:
        benchmarks.contenders.MeasurementError: a response differs or has an unexpected status code.
    """
    first, *others = servers
    expected = ask(first, database, ALL)
    for server in others:
        if server.contender.name == CLI:
            check_cli(server, first, database)
            continue
        questions = HAPPY if server.contender.name == BARE else ALL
        for question, response in ask(server, database, questions).items():
            if response != expected[question]:
                message = f"responds to {question} with {response}, not {expected[question]}"
                server.fail(message)


def ask(server: Server, database: Database, questions: list[Question]) -> dict[str, Any]:
    """Fill the table, send the requests, and return the responses by request."""
    database.fill(ROWS)
    responses = {}
    token = server.contender.token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        for question in questions:
            response = client.request(question.method, question.path, json=question.body)
            asked = f"{question.method} {question.path} {question.body}"
            if response.status_code != question.status:
                server.fail(f"responds to {asked} with {response.status_code} {response.text}")
            responses[asked] = (
                response.headers.get("content-type"),
                response.headers.get("location"),
                response.json() if response.content else None,
            )
    return responses


def check_cli(server: Server, first: Server, database: Database) -> None:
    """Compare the two routes of an app from PyNest's CLI.

    The list has neither pages nor an order. The response to a POST contains only the new key.
    """
    database.fill(FEW_ROWS)
    items = httpx.get(f"{first.url}/examples").json()["items"]
    listed = httpx.get(f"{server.url}/examples").json()
    if sorted(listed, key=lambda item: int(item["id"])) != items:
        server.fail(f"lists {listed}, not {items}")
    added = httpx.post(f"{server.url}/examples", json={"name": "new"}).text
    if not re.fullmatch(r"\d+", added):
        server.fail(f"responds to a POST with {added}")
    if httpx.get(f"{first.url}/examples/{added}").json()["name"] != "new":
        server.fail("creates nothing")
