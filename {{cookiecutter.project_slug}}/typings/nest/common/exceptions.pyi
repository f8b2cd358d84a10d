from typing import Any

class HttpException(Exception):
    message: str
    status_code: int

    def __init__(self, message: str = ..., status_code: int = ...) -> None: ...

def __getattr__(name: str) -> Any: ...
