"""Serve the app on this machine: `python main.py`, with any of uvicorn's options behind it."""

import sys

import uvicorn

from src.config import settings

if __name__ == "__main__":
    development = ["--reload"] if settings.app_debug else []
    uvicorn.main(["app:app", *development, *sys.argv[1:]])
