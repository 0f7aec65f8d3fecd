"""Draws docs/performance/*.svg from the measurements of benchmarks.landing.

Usage: python -m benchmarks.plots, in the peers' environment, which has matplotlib.
"""

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "performance"
ENGINE = "this engine"
OURS, OTHERS = "#c0392b", "#7f8c8d"
MARKERS = "osD^vP*X"
ROWS_OF_THE_BARS = 1_000_000


def draw() -> None:
    """Draw the bars, and time and memory against rows."""
    mpl.use("svg")
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "nxp", "font.size": 9}
    known = json.loads((FOLDER / "landing.json").read_text())
    measured = [one for one in known if not one["rate"] and one.get("suffix", "zst") == "zst"]
    _bars([one for one in measured if one["rows"] == ROWS_OF_THE_BARS])
    _curves(measured, "wall", "seconds", "time")
    _curves(measured, "peak", "MiB at the peak", "memory")


def _bars(measured: list[dict[str, Any]]) -> None:
    from matplotlib import pyplot as plt

    measured = sorted(measured, key=lambda one: -statistics.median(one["wall"]))
    middle = [statistics.median(one["wall"]) for one in measured]
    low = [value - min(one["wall"]) for value, one in zip(middle, measured, strict=True)]
    high = [max(one["wall"]) - value for value, one in zip(middle, measured, strict=True)]
    figure, axes = plt.subplots(figsize=(6, 3))
    colours = [OURS if one["tool"] == ENGINE else OTHERS for one in measured]
    axes.barh([one["tool"] for one in measured], middle, xerr=[low, high], color=colours)
    axes.set_xlabel("seconds, whole process, 1,000,000 rows: median, least and most")
    _keep(figure, "bars")


def _curves(measured: list[dict[str, Any]], key: str, label: str, name: str) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6))
    tools = dict.fromkeys(one["tool"] for one in measured)
    for tool, marker in zip(tools, MARKERS, strict=False):
        points = sorted(
            (one["rows"], statistics.median(one[key])) for one in measured if one["tool"] == tool
        )
        colour = OURS if tool == ENGINE else None
        axes.loglog(*zip(*points, strict=True), marker=marker, label=tool, color=colour)
    axes.set_xlabel("rows")
    axes.set_ylabel(label)
    axes.grid(visible=True, which="both", linewidth=0.3)
    axes.legend(fontsize=7)
    _keep(figure, name)


def _keep(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    draw()
