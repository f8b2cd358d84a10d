"""What a run finds: its measurements by workload, and the ratios that they come to."""

import pickle
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .contenders import ALONE, BARE, BUILD, CLI, CONSTANT, HANDWRITTEN
from .load import Measurement

#: How many rows the table has.
ROWS, FEW_ROWS = 1000, 20


@dataclass(frozen=True)
class Workload:
    """What the servers are asked, under the name that `requests.lua` has for it."""

    title: str
    #: Who can answer it, beside our projects.
    others: tuple[str, ...]
    rows: int = ROWS
    #: Whether the table is another one afterwards.
    writes: bool = False


WORKLOADS = {
    "read-one": Workload("read one", (HANDWRITTEN, ALONE, BARE, CONSTANT)),
    "list": Workload("list 20 of 1,000", (HANDWRITTEN, ALONE, BARE)),
    "list-small": Workload("list a 20-row table", (CLI,), FEW_ROWS),
    "create": Workload("create", (CLI, HANDWRITTEN, ALONE, BARE), writes=True),
    "mix": Workload("90 reads, 10 creates", (HANDWRITTEN, ALONE, BARE), writes=True),
    "health": Workload("/health/live", (HANDWRITTEN, CONSTANT)),
}

#: At least these many times the requests of the other, on each database.
TARGETS = [
    ("read-one", HANDWRITTEN, 1.5),
    ("read-one", BARE, 0.6),
    ("list", HANDWRITTEN, 1.5),
    ("list", BARE, 0.6),
    ("list-small", CLI, 2),
    ("create", CLI, 2),
    ("create", HANDWRITTEN, 1.2),
    ("create", BARE, 0.5),
]
#: What the targets are for.
CONNECTIONS = 16
#: At most these many times what the hand-written app has.
P99_TARGET, MEMORY_TARGET, START_TARGET = 1, 1.1, 1.2
#: Two workers make at least these many times the requests of one.
WORKERS_TARGET = 1.6
ONE, TWO = "one worker", "two workers"
#: Enough that each worker has its share.
WORKERS_CONNECTIONS = 64

SAVED = BUILD / "results.pickle"


class Cell(NamedTuple):
    """What is measured under one head."""

    database: str
    workload: str
    connections: int


#: What each contender did in one round, by its name.
Round = dict[str, Measurement]


class Ratio(NamedTuple):
    """The median of the rounds' ratios, the least and the largest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = f" ({self.low:.2f}-{self.high:.2f})" if self.low < self.high else ""
        return f"{self.median:.2f}{spread}"


@dataclass
class Results:
    """All that a run finds, and what it ran on."""

    machine: str
    #: What is installed in the environment of all contenders.
    packages: list[str]
    #: How long each contender was driven in a round.
    seconds: int
    #: The databases' servers and their versions, by the database.
    versions: dict[str, str] = field(default_factory=dict)
    cells: dict[Cell, list[Round]] = field(default_factory=dict)
    #: Bytes, by database and contender.
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    #: Seconds, by database and contender, a number for each round.
    starts: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    #: One worker and two in each round, by database and workload.
    workers: dict[tuple[str, str], list[Round]] = field(default_factory=dict)

    def save(self) -> None:
        """Keep it, to be written down at any time."""
        SAVED.write_bytes(pickle.dumps(self))

    @staticmethod
    def load() -> "Results":
        """Return what was kept last."""
        results = pickle.loads(SAVED.read_bytes())  # noqa: S301  # ours
        assert isinstance(results, Results)
        return results


def ratio_of(pairs: list[tuple[float, float]]) -> Ratio:
    """Make the ratio of pairs, the first of each to the second."""
    ratios = [ours / other for ours, other in pairs]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def ratio(rounds: list[Round], ours: str, other: str, of: Callable[[Measurement], float]) -> Ratio:
    """Compare two contenders, round by round."""
    return ratio_of([(of(each[ours]), of(each[other])) for each in rounds])


def rate(measurement: Measurement) -> float:
    return measurement.rate


def p99(measurement: Measurement) -> float:
    return measurement.p99


def cpu(measurement: Measurement) -> float:
    return measurement.cpu


def median(rounds: list[Round], name: str, of: Callable[[Measurement], float]) -> float:
    """Return the median of what a contender did in all rounds."""
    return statistics.median(of(each[name]) for each in rounds)
