"""The ASGI entry point: `uvicorn app:app`."""

from src.app_module import http_server as app

__all__ = ["app"]
