"""Whether all contenders answer alike, which is looked at before anything is timed."""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from .contenders import ALONE, BARE, CLI, CONSTANT, HANDWRITTEN
from .databases import Database
from .load import Server
from .results import FEW_ROWS, ROWS


@dataclass(frozen=True)
class Question:
    """A request, and the status that it has to be answered with."""

    method: str
    path: str
    status: int
    body: Any = None


#: What those can answer that do no more than they are measured at.
READS = [
    Question("GET", "/examples/1", 200),
    Question("GET", "/examples", 200),
    Question("GET", "/health/live", 200),
]
HAPPY = [
    *READS,
    Question("GET", "/examples/1000", 200),
    Question("GET", "/examples?limit=100", 200),
    Question("GET", "/examples?limit=5&after=990", 200),
    Question("GET", "/examples?limit=10&after=990", 200),
    Question("GET", "/examples?after=1000", 200),
    Question("POST", "/examples", 201, {"name": "näw"}),
    Question("GET", "/examples/1001", 200),
]
#: What a whole service answers, errors included.
ALL = [
    *HAPPY,
    Question("GET", "/health/ready", 200),
    Question("GET", "/examples/1002", 404),
    Question("GET", "/examples/0", 422),
    Question("GET", "/examples/one", 422),
    Question("GET", f"/examples/{2**63}", 422),
    Question("GET", "/examples?limit=0", 422),
    Question("GET", "/examples?limit=101&after=-1", 422),
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
QUESTIONS = {HANDWRITTEN: ALL, ALONE: HAPPY, BARE: HAPPY, CONSTANT: READS}


def check_answers(servers: list[Server], database: Database) -> None:
    """Ask each server the same, and compare with what the first one answers.

    Raises:
        benchmarks.load.MeasurementError: one answers otherwise, or all do so with a wrong status.
    """
    first, *others = servers
    expected = ask(first, database, ALL)
    for server in others:
        if server.contender.name == CLI:
            check_cli(server, first, database)
            continue
        questions = QUESTIONS.get(server.contender.name, ALL)
        for question, answer in ask(server, database, questions).items():
            if answer != expected[question]:
                message = f"answers {question} with {answer}, not {expected[question]}"
                server.fail(message)


def ask(server: Server, database: Database, questions: list[Question]) -> dict[str, Any]:
    """Return what a server answers, by the questions, in a table of its own."""
    database.fill(ROWS)
    answers = {}
    with httpx.Client(base_url=server.url) as client:
        for question in questions:
            response = client.request(question.method, question.path, json=question.body)
            asked = f"{question.method} {question.path} {question.body}"
            if response.status_code != question.status:
                server.fail(f"answers {asked} with {response.status_code} {response.text}")
            answers[asked] = (
                response.headers.get("content-type"),
                response.headers.get("location"),
                response.json() if response.content else None,
            )
    return answers


def check_cli(server: Server, first: Server, database: Database) -> None:
    """Compare the two routes that PyNest's CLI writes: a list without pages, and a create.

    Its list is what others have in `items`, in whatever order; what it creates, it answers with
    the key alone.
    """
    database.fill(FEW_ROWS)
    items = httpx.get(f"{first.url}/examples").json()["items"]
    listed = httpx.get(f"{server.url}/examples").json()
    if sorted(listed, key=lambda item: int(item["id"])) != items:
        server.fail(f"lists {listed}, not {items}")
    added = httpx.post(f"{server.url}/examples", json={"name": "new"}).text
    if not re.fullmatch(r"\d+", added):
        server.fail(f"answers a POST with {added}")
    if httpx.get(f"{first.url}/examples/{added}").json()["name"] != "new":
        server.fail("creates nothing")
