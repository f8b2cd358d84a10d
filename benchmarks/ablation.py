"""The ablation: remove one optimisation of a rendered project at a time, and measure."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.template import DATABASES

from .contenders import Contender, Patch, apply_patches

PROVIDER = "src/core/database/provider.py"
DRIVER = "src/core/database/driver.py"
READER, SESSIONS = "src/core/database/reader.py", "src/core/database/sessions.py"
SERVICE, MODULE = "src/examples/examples_service.py", "src/core/core_module.py"
ORDERS = "src/orders/orders_service.py"
SELECT = "select(*columns_of(ExampleEntity, Example))"
SERVERS = ("postgresql", "mysql")


@dataclass(frozen=True)
class Optimisation:
    """A part of a rendered project that only exists for speed."""

    title: str
    #: The patches that remove it, in the session style `controller`.
    patches: tuple[Patch, ...]
    #: The workload that it speeds up.
    workload: str = "read-one"
    #: Whether it improves the 99th percentile of response times, instead of the rate.
    by_p99: bool = False
    databases: tuple[str, ...] = DATABASES


#: Optimisations by the name of the contender without them.
OPTIMISATIONS = {
    "without AUTOCOMMIT": Optimisation(
        "read in AUTOCOMMIT, on a second engine",
        (Patch(PROVIDER, '"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None', ""),),
    ),
    "without places": Optimisation(
        "queue requests in order in front of the pool",
        (Patch(SESSIONS, "super().__init__(number)", "super().__init__(10**9)"),),
        by_p99=True,
    ),
    "without idle times": Optimisation(
        "test only connections that were idle for 0.5 s",
        (
            Patch(
                PROVIDER,
                'params.pop("pool_pre_ping", False)',
                'not params.get("pool_pre_ping", False)',
            ),
        ),
        databases=SERVERS,
    ),
    "without columns": Optimisation(
        "read columns on a connection, not entities in a session",
        (
            Patch(SERVICE, f"ALL = {SELECT}", "ALL = select(ExampleEntity)"),
            Patch(ORDERS, "select(*columns_of(OrderEntity, Order))", "select(OrderEntity)"),
            Patch(READER, "import AsyncEngine", "import AsyncEngine, AsyncSession"),
            Patch(READER, "self._engine.connect()", "AsyncSession(self._engine)"),
            Patch(READER, "connection.execute(", "connection.scalars("),
        ),
        workload="list",
    ),
    "without prebuilt statements": Optimisation(
        "build each statement once",
        (
            Patch(SERVICE, "BY_ID = ALL", f"BY_ID = lambda: {SELECT}"),
            Patch(SERVICE, "execute(BY_ID, ", "execute(BY_ID(), "),
        ),
    ),
    "without a request logger": Optimisation(
        "log requests without Python's logging",
        (
            Patch(
                MODULE,
                "create_request_logger(settings.log_level, settings.log_format)",
                '__import__("structlog").get_logger("src.core.middleware")',
            ),
        ),
        workload="health",
    ),
    "without one writer": Optimisation(
        "open one connection for transactions, not five",
        (Patch(DRIVER, "min(connections, 1)", "min(connections, 5)"),),
        workload="create",
        by_p99=True,
        databases=("sqlite",),
    ),
}


def make_ablated(whole: Contender, database: str, folder: Path) -> list[Contender]:
    """Copy a rendered project for each optimisation of a database, without that optimisation.

    Args:
        whole: the project.
        database: `sqlite`, `postgresql` or `mysql`.
        folder: the parent folder of the copies. Its content is replaced.

    Raises:
        benchmarks.contenders.MeasurementError: the project lacks the text of a patch.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ablated = []
    for name, optimisation in OPTIMISATIONS.items():
        if database in optimisation.databases:
            project = folder / name.replace(" ", "-")
            shutil.copytree(whole.folder, project)
            apply_patches(project, optimisation.patches)
            ablated.append(Contender(name, whole.command, project, whole.variables))
    return ablated
