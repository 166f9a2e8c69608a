"""Rows of a forest plot: an estimate and its interval, and what of it lies beyond the axis."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ketapredict.report.figures.marks import BLUE, ORANGE


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One row of one panel.

    Attributes
    ----------
    estimate, low, high : float
        NaN where there is none.
    text : str
        The numbers, or why there are none.
    kind : {"single", "pooled", "prediction", "off"}
        `pooled` is drawn as a diamond, `prediction` as a dashed line, `off` as a filled square.
    """

    estimate: float
    low: float
    high: float
    text: str
    kind: str = "single"


def draw_row(axes: Any, y: float, row: ForestRow, limits: tuple[float, float]) -> None:
    """Draw a row at height y; an arrow where the interval goes on beyond the limits.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    y : float
    row : ForestRow
    limits : (float, float)
        Of the axis.
    """
    colour = {"pooled": "black", "prediction": "black", "off": ORANGE}.get(row.kind, BLUE)
    low, high = np.clip([row.low, row.high], *limits)
    if np.isfinite(low) and np.isfinite(high):
        style = "--" if row.kind == "prediction" else "-"
        axes.plot([low, high], [y, y], color=colour, linewidth=1.6, linestyle=style)
        for end, beyond, marker in ((low, row.low < limits[0], "<"), (high, row.high > limits[1], ">")):
            if beyond:
                axes.plot(end, y, marker, color=colour, markersize=6, clip_on=False)
    if np.isfinite(row.estimate) and limits[0] <= row.estimate <= limits[1]:
        marker = {"pooled": "D", "off": "s", "prediction": "|"}.get(row.kind, "o")
        fill = "white" if row.kind == "single" else colour
        axes.plot(row.estimate, y, marker, color=colour, markerfacecolor=fill, markersize=6.5)


def bare_panel(axes: Any, rows: int, reference: float, limits: tuple[float, float]) -> None:
    """Set up a panel of so many rows, the first on top, with a line at the value of no deviation."""
    axes.set(xlim=limits, ylim=(rows - 0.4, -0.75), yticks=[])
    axes.axvline(reference, color="#777777", linestyle=":", linewidth=1.3)
    axes.spines["left"].set_visible(False)
