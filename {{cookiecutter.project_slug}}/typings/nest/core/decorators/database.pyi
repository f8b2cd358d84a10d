from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

def async_db_request_handler(func: Callable[_P, Awaitable[_R]]) -> Callable[_P, Awaitable[_R]]: ...
