"""What tests expect of errors."""

import httpx


def assert_problem(response: httpx.Response, status: int) -> None:
    """Expect an error of that status, in the form that all have."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status
