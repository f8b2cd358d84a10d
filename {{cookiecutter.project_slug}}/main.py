"""Serve the app on this machine: `python main.py`, followed by any of uvicorn's options."""

import os
import signal
import sys

import uvicorn
from uvicorn.config import LOGGING_CONFIG

if __name__ == "__main__":
    # Imported here because workers import this file first: uvicorn kills a worker that takes more
    # than five seconds to say that it is alive. The import also configures the log.
    from src.config import settings

    # uvicorn would configure logging again.
    LOGGING_CONFIG["loggers"].clear()
    # After a graceful shutdown, uvicorn would exit by the signal, as if it had failed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # uvicorn ignores the number of workers if it reloads.
    workers = {"UVICORN_WORKERS", "WEB_CONCURRENCY"} & os.environ.keys()
    workers |= {option for option in sys.argv if option.startswith("--workers")}
    defaults = {"reload": settings.app_debug and not workers, "timeout_graceful_shutdown": 30}
    uvicorn.main(["app:app", *sys.argv[1:]], default_map=defaults)
