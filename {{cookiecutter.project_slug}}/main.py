"""Serve the app on this machine: `python main.py`, with any of uvicorn's options behind it."""

import os
import signal
import sys

import uvicorn
from uvicorn.config import LOGGING_CONFIG

if __name__ == "__main__":
    # Workers import this file too, and uvicorn gives up who says nothing for five seconds.
    from src.config import settings
    from src.core.logs import configure_logging

    configure_logging(settings.log_level, settings.log_format)
    # uvicorn would set up logging of its own.
    LOGGING_CONFIG["loggers"].clear()
    # After an orderly shutdown uvicorn ends by the signal that asked for it, as if it had failed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    # uvicorn ignores the number of workers if it reloads.
    workers = {"UVICORN_WORKERS", "WEB_CONCURRENCY"} & os.environ.keys()
    workers |= {option for option in sys.argv if option.startswith("--workers")}
    defaults = {"reload": settings.app_debug and not workers, "timeout_graceful_shutdown": 30}
    uvicorn.main(["app:app", *sys.argv[1:]], default_map=defaults)
