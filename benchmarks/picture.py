"""Draw the ratios of a run as bars, which point right if a rendered project is faster."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

from .contenders import BARE, CLI, HANDWRITTEN, STYLES
from .results import COMPARISONS, CONNECTIONS, WORKLOADS, Cell, Results, rate, ratio

COLORS = {CLI: "#2a9d8f", HANDWRITTEN: "#457b9d", BARE: "#a8a8a8"}
TARGET_COLOR = "#d62828"


def draw(results: Results, path: Path) -> None:
    """Draw the comparisons of the first session style as an SVG file."""
    # The hash salt makes the file reproducible. Browsers render the text.
    mpl.rcParams.update({"svg.hashsalt": "ratios", "svg.fonttype": "none", "font.size": 9})
    figure, panels = pyplot.subplots(
        1,
        len(results.versions),
        figsize=(10, 3.2),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for panel, database in zip(panels[0], results.versions, strict=True):
        for row, (workload, other, targets) in enumerate(COMPARISONS):
            rounds = results.cells[Cell(database, workload, CONNECTIONS)]
            times = ratio(rounds, STYLES[0], other, rate)
            target = targets.get(database)
            # The axis is logarithmic, so a bar begins at 1, not at 0.
            panel.barh(row, times.median - 1, left=1, color=COLORS[other])
            panel.hlines(row, times.low, times.high, color="black", linewidth=1)
            if target:
                panel.plot(target, row, marker="|", markersize=15, color=TARGET_COLOR)
            panel.annotate(
                f"{times.median:.2f}",
                (max(times.high, target or 1, 1), row),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_xscale("log", base=2)
        panel.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["¼", "½", "1", "2", "4", "8"])
        panel.set_title(results.versions[database])
        panel.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_yticks(
        range(len(COMPARISONS)),
        [f"{WORKLOADS[workload].title} ÷ {other}" for workload, other, _ in COMPARISONS],
    )
    panels[0][0].invert_yaxis()
    measure = f"ratio of requests per second, {CONNECTIONS} connections"
    figure.supxlabel(f"{measure}: median, spread, and the target in red")
    figure.savefig(path, metadata={"Date": None})
