from pathlib import Path
from typing import Protocol

import pytest
from pytest_cookies.plugin import Cookies

from .projects import TEMPLATE, as_given


class Render(Protocol):
    def __call__(self, **answers: str) -> Path: ...


@pytest.fixture(scope="session")
def render(cookies_session: Cookies) -> Render:
    """Render a project from answers, those not given as their defaults; return its folder."""

    def render(**answers: str) -> Path:
        result = cookies_session.bake(template=str(TEMPLATE), extra_context=as_given(answers))
        if result.exception:
            raise result.exception
        assert isinstance(result.project_path, Path)
        return result.project_path

    return render
