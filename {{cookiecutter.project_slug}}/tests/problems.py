"""Assertions about error responses."""

import httpx


def assert_problem(response: httpx.Response, status: int) -> None:
    """Assert that a response is a problem (RFC 9457) with the given status."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status
