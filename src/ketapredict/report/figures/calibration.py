"""What was observed at each predicted probability."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.marks import (
    BAND,
    BLUE,
    GREY,
    LIGHT,
    ORANGE,
    interval_text,
    key_above,
    say_not_estimable,
)
from ketapredict.report.figures.svg import figure_svg
from ketapredict.validate.calibration_groups import calibration_groups

BINS = np.linspace(0.0, 1.0, 21)


def calibration_figure(
    statement: str, landmark: str, labels: np.ndarray, predictions: np.ndarray, curve: pd.DataFrame | None = None
) -> str:
    """Draw the flexible calibration curve, fifths of the courses, and how many courses are where.

    Parameters
    ----------
    statement, landmark : str
    labels : numpy.ndarray (n,)
        Outcomes 0 or 1.
    predictions : numpy.ndarray (n,) or (r, n)
        Out-of-fold probabilities, of r repeats.
    curve : pandas.DataFrame, optional
        `predicted, observed, low, high` of `validate.calibration_curve`; None where it was not estimable.

    Returns
    -------
    str
        SVG.
    """
    y, p = np.asarray(labels, float), np.atleast_2d(np.asarray(predictions, float))
    groups = calibration_groups(y, p)
    has_curve = curve is not None and bool(np.isfinite(curve["observed"].to_numpy(float)).any())

    def draw(figure: Any) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
        above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        if curve is not None and has_curve:
            x = curve["predicted"].to_numpy(float)
            above.fill_between(x, curve["low"].to_numpy(float), curve["high"].to_numpy(float), color=BAND, linewidth=0)
            above.plot(x, curve["observed"].to_numpy(float), color=BLUE, linewidth=2)
        _fifths(above, groups)
        if not len(y):
            say_not_estimable(above, "no predictions")
        above.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="observed share with the outcome")
        _key(above, has_curve)
        _histogram(below, y, p)

    # Under the figure and not beside the marks: fifths can lie too close together for words.
    notes = [f"Fifths from left to right: n = {', '.join(str(n) for *_, n in groups)}; intervals by Wilson's formula."]
    if not groups:
        notes = []
    if not has_curve:
        notes.append("Flexible curve: not estimable (too few courses with or without the outcome).")
    fifths = "; ".join(
        f"predicted {mean:.2f}, observed {interval_text(share, low, high)}, n {n}"
        for mean, share, low, high, n in groups
    )
    title = f"calibration of {len(y)} out-of-fold predictions"
    return figure_svg(
        "calibration", statement, landmark, title, draw, height=560, notes=notes, summary=f"Fifths: {fifths}."
    )


def _fifths(axes: Any, groups: list[tuple[float, float, float, float, int]]) -> None:
    for mean, share, low, high, _ in groups:
        axes.plot([mean, mean], [low, high], color="black", linewidth=1.2, zorder=4)
        axes.plot(mean, share, "o", color="white", markeredgecolor="black", markersize=6, zorder=5)


def _key(axes: Any, has_curve: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Any] = [Line2D([], [], color=GREY, linestyle="--", label="perfect calibration")]
    if has_curve:
        entries += [
            Line2D([], [], color=BLUE, linewidth=2, label="flexible curve"),
            Patch(color=BAND, label="its 95% band, point by point"),
        ]
    style = {"color": "black", "marker": "o", "markerfacecolor": "white", "linewidth": 1.2}
    entries.append(Line2D([], [], label="fifths of the courses, 95% intervals", **style))
    key_above(axes, 2, entries)


def _histogram(axes: Any, y: np.ndarray, p: np.ndarray) -> None:
    """Count those with the outcome upwards and those without downwards: means over the repeats p (r, n)."""
    counts = [np.histogram(p[:, y == level], BINS)[0] / len(p) for level in (1, 0)]
    centres, width = (BINS[:-1] + BINS[1:]) / 2, BINS[1] - BINS[0]
    up, down = counts[0] > 0, counts[1] > 0
    axes.bar(centres[up], counts[0][up], width, color=BLUE, edgecolor="white", linewidth=0.5)
    axes.bar(centres[down], -counts[1][down], width, color=LIGHT, edgecolor=ORANGE, linewidth=0.8, hatch="////")
    axes.axhline(0, color="black", linewidth=0.8)
    most = max(round(max(c.max() for c in counts)), 1)
    axes.set(ylim=(-1.35 * most, 1.35 * most), ylabel="courses", xlabel="predicted probability (out of fold)")
    axes.set_yticks([-most, 0, most], [str(most), "0", str(most)])
    axes.text(0.01, 0.97, f"with the outcome: {int((y == 1).sum())}", transform=axes.transAxes, va="top", fontsize=8.5)
    axes.text(0.01, 0.03, f"without: {int((y == 0).sum())}", transform=axes.transAxes, va="bottom", fontsize=8.5)
