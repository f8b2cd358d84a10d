"""The results of a run: measurements by workload, and ratios between contenders."""

import pickle
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .contenders import BARE, BUILD, CLI, HANDWRITTEN
from .load import Measurement

#: The number of rows in the table.
ROWS, FEW_ROWS, MANY_ROWS = 1000, 20, 200_000


@dataclass(frozen=True)
class Workload:
    """One kind of requests. `requests.lua` defines them under the same name."""

    title: str
    #: The contenders that support it, besides rendered projects.
    others: tuple[str, ...]
    rows: int = ROWS
    #: Whether it adds rows.
    writes: bool = False


WORKLOADS = {
    "read-one": Workload("read one", (HANDWRITTEN, BARE)),
    "list": Workload("list 20 of 1,000", (HANDWRITTEN, BARE)),
    "sorted": Workload("filter, sort, list 20 of 1,000", (HANDWRITTEN,)),
    "list-small": Workload("list a 20-row table", (CLI,), FEW_ROWS),
    "create": Workload("create", (CLI, HANDWRITTEN, BARE), writes=True),
    "mix": Workload("9 reads, 1 create", (HANDWRITTEN, BARE), writes=True),
    "health": Workload("/health/live", (HANDWRITTEN,)),
    "first-page": Workload("first page of 200,000 rows", (), MANY_ROWS),
    "deep-page": Workload("page 9,000 of 200,000 rows", (), MANY_ROWS),
}
#: The workloads that show the cost of a deep page.
FIRST_PAGE, DEEP_PAGE = "first-page", "deep-page"


class Comparison(NamedTuple):
    """The rate of a rendered project compared with another contender."""

    workload: str
    other: str
    #: The minimum ratio, by database.
    targets: dict[str, float]


COMPARISONS = [
    Comparison("read-one", HANDWRITTEN, {"sqlite": 1.5, "postgresql": 1.8, "mysql": 1.6}),
    Comparison("list", HANDWRITTEN, {"sqlite": 1.5, "postgresql": 1.8, "mysql": 1.5}),
    Comparison("sorted", HANDWRITTEN, {}),
    Comparison("create", HANDWRITTEN, {"sqlite": 1.5, "postgresql": 1.5, "mysql": 1.25}),
    Comparison("read-one", BARE, {"postgresql": 0.55}),
    Comparison("list", BARE, {"postgresql": 0.55}),
    Comparison("create", BARE, {}),
    Comparison("list-small", CLI, {}),
    Comparison("create", CLI, {}),
]
#: The workloads of the comparisons, in order.
COMPARED = list(dict.fromkeys(comparison.workload for comparison in COMPARISONS))
#: The number of connections for the targets.
CONNECTIONS = 16
#: The maximum ratios to the hand-written app.
P99_TARGET, MEMORY_TARGET, START_TARGET = 0.6, 1.1, 1.2
#: The minimum ratio of two workers' rate to one worker's rate.
WORKERS_TARGET = 1.6
ONE, TWO = "one worker", "two workers"
#: More connections, so that both workers get enough of them.
WORKERS_CONNECTIONS = 64
#: The minimum gain of an optimisation, as a ratio on at least one database.
GAIN_TARGET = 1.1

SAVED = BUILD / "results.pickle"


class Cell(NamedTuple):
    """One workload on one database."""

    database: str
    workload: str
    connections: int


#: The measurements of one round, by the contender's name.
Round = dict[str, Measurement]


class Ratio(NamedTuple):
    """The median, the minimum and the maximum of the rounds' ratios."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = f" ({self.low:.2f}-{self.high:.2f})" if self.low < self.high else ""
        return f"{self.median:.2f}{spread}"


@dataclass
class Results:
    """All measurements of a run, and its machine."""

    machine: str
    #: The names and versions of the contenders' packages.
    packages: list[str]
    #: The duration of a contender's measurement in each round.
    seconds: int
    #: The names and versions of the servers, by database.
    versions: dict[str, str] = field(default_factory=dict)
    cells: dict[Cell, list[Round]] = field(default_factory=dict)
    #: Rounds of the complete project and of those without one optimisation.
    ablation: dict[Cell, list[Round]] = field(default_factory=dict)
    #: Rounds of a project without authentication, and of one with each kind of token.
    auth: dict[Cell, list[Round]] = field(default_factory=dict)
    #: Rounds of a project without telemetry, and of one with each share of sampled traces.
    telemetry: dict[Cell, list[Round]] = field(default_factory=dict)
    #: Bytes, by database and contender.
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    #: Seconds of each round, by database and contender.
    starts: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    #: Rounds of one worker and of two, by database and workload.
    workers: dict[tuple[str, str], list[Round]] = field(default_factory=dict)

    def save(self) -> None:
        """Save the results for `benchmarks.page`."""
        SAVED.write_bytes(pickle.dumps(self))

    @staticmethod
    def load() -> "Results":
        """Return the last saved results."""
        results = pickle.loads(SAVED.read_bytes())  # noqa: S301  # `save` wrote this file
        assert isinstance(results, Results)
        return results


def ratio_of(pairs: list[tuple[float, float]]) -> Ratio:
    """Return the ratio of each pair's first value to its second."""
    ratios = [one / other for one, other in pairs]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def ratio(rounds: list[Round], one: str, other: str, of: Callable[[Measurement], float]) -> Ratio:
    """Compare two contenders, round by round."""
    return ratio_of([(of(each[one]), of(each[other])) for each in rounds])


def rate(measurement: Measurement) -> float:
    return measurement.rate


def p99(measurement: Measurement) -> float:
    return measurement.p99


def cpu(measurement: Measurement) -> float:
    return measurement.cpu


def median(rounds: list[Round], name: str, of: Callable[[Measurement], float]) -> float:
    """Return the median of a contender's values in all rounds."""
    return statistics.median(of(each[name]) for each in rounds)
