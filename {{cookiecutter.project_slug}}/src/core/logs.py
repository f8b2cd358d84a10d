"""Logging."""

import logging


def configure_logging(level: str) -> None:
    """Log at `level` (`INFO`, …) to stderr.

    Takes back what PyNest does on import, which is to set all of Python's logging to DEBUG.
    """
    logging.basicConfig(level=level, format="%(levelname)-8s %(name)s: %(message)s", force=True)
    logging.getLogger("pynest").setLevel(logging.WARNING)
    # It logs every call, and every failure without a traceback; src.core.errors does better.
    logging.getLogger("nest.core.decorators.database").setLevel(logging.CRITICAL)
