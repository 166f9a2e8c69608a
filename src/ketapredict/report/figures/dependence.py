"""Mean contribution over a feature's values, in bins that no single patient can be seen in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.marks import BLUE, GREY, ORANGE, say_not_estimable
from ketapredict.report.figures.svg import figure_svg

FEWEST_PER_BIN = 10
PERCENTILES = (10, 90)
COLUMNS = ["value", "courses", "mean", "p10", "p90"]
MOST_PANELS, PER_LINE = 6, 3


@dataclass(frozen=True, slots=True)
class BinnedDependence:
    """Contribution of a concept over bins of one feature's value.

    Attributes
    ----------
    bins : pandas.DataFrame
        `value, courses, mean, p10, p90`, ascending: mean value of the bin's courses (its edges would be values of
        single patients), their number, mean, 10th and 90th percentile of their contributions; at least ten
        courses in each.
    courses : int
    missing : int
        Courses without a value.
    missing_mean : float
        Their mean contribution; NaN with fewer than ten.
    """

    bins: pd.DataFrame
    courses: int
    missing: int
    missing_mean: float

    @property
    def missing_text(self) -> str:
        """How many values are missing, without a number where it is small."""
        if not self.missing:
            return "none missing"
        if self.missing < FEWEST_PER_BIN:
            return f"missing: under {FEWEST_PER_BIN}"
        return f"missing: {self.missing / self.courses:.0%}"


def binned_dependence(values: np.ndarray, contribution: np.ndarray, n_bins: int = 8) -> BinnedDependence:
    """Summarise contributions over bins of a feature.

    Equal values share a bin. Bins are filled in ascending order up to 1 / n_bins of the known values and at least
    ten courses; what is left over at the end joins the last bin.

    Parameters
    ----------
    values : numpy.ndarray (n,)
        In the feature's unit; NaN where missing.
    contribution : numpy.ndarray (n,)
        Log-odds, of the feature's concept.
    n_bins : int
        At most.

    Returns
    -------
    BinnedDependence
        Without bins where fewer than ten values are known.
    """
    x, moved = np.asarray(values, float), np.asarray(contribution, float)
    kept = np.isfinite(moved)
    x, moved = x[kept], moved[kept]
    known = np.isfinite(x)
    wanted = max(FEWEST_PER_BIN, int(np.ceil(known.sum() / n_bins)))
    _, place, counts = np.unique(x[known], return_inverse=True, return_counts=True)
    bin_of_value, filled, current = np.zeros(len(counts), int), 0, 0
    for position, count in enumerate(counts):
        if filled >= wanted:
            current, filled = current + 1, 0
        bin_of_value[position] = current
        filled += int(count)
    if filled < FEWEST_PER_BIN and current:
        bin_of_value[bin_of_value == current] = current - 1
    records = []
    for number in np.unique(bin_of_value) if known.sum() >= FEWEST_PER_BIN else ():
        rows = bin_of_value[place] == number
        inside = moved[known][rows]
        low, high = np.percentile(inside, PERCENTILES)
        records.append((float(x[known][rows].mean()), len(inside), float(inside.mean()), float(low), float(high)))
    missing = int((~known).sum())
    mean = float(moved[~known].mean()) if missing >= FEWEST_PER_BIN else np.nan
    return BinnedDependence(pd.DataFrame(records, columns=COLUMNS), len(x), missing, mean)


def dependence_figure(statement: str, landmark: str, panels: Sequence[tuple[str, BinnedDependence]]) -> str:
    """Draw the mean contribution over the values of the most important numeric features.

    Parameters
    ----------
    statement, landmark : str
    panels : sequence of (str, BinnedDependence)
        Label with its unit, and the bins; the first six are drawn.

    Returns
    -------
    str
        SVG.
    """
    shown = list(panels)[:MOST_PANELS]
    lines = max(-(-len(shown) // PER_LINE), 1)
    columns = min(max(len(shown), 1), PER_LINE)

    def draw(figure: Any) -> None:
        grid = figure.subplots(lines, columns, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= max(len(shown), 1):
                axes.axis("off")
                continue
            if place % columns == 0:
                axes.set_ylabel("contribution (log-odds)")
            if not shown:
                say_not_estimable(axes, "no numeric feature")
                continue
            _panel(axes, *shown[place])

    notes = [
        "Circles: mean contribution of the feature's concept in bins of at least ten courses; bars: 10th to 90th "
        "percentile of the courses, not an interval of the mean. Diamond: courses without a value. "
        "It describes the model, not causes."
    ]
    parts = []
    for label, found in shown:
        bins = ", ".join(f"{r.mean:+.2f} at {r.value:.3g} (n {r.courses})" for r in found.bins.itertuples())
        parts.append(f"{label}: {bins or 'not estimable'}; {found.missing_text}")
    return figure_svg(
        "dependence", statement, landmark, "contribution over the values of single features", draw,
        height=235 * lines + 10, notes=notes, summary=". ".join(parts),
    )  # fmt: skip


def _panel(axes: Any, label: str, found: BinnedDependence) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(label)
    axes.set_title(found.missing_text, fontsize=8.5, fontweight="normal", loc="right")
    if found.bins.empty:
        say_not_estimable(axes, shares_y=True)
        return
    x, _, mean, low, high = found.bins[COLUMNS].to_numpy(float).T
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.vlines(x, low, high, color="black", linewidth=1.2)
    axes.plot(x, mean, color=BLUE, linewidth=1.6, marker="o", markersize=5.5, markerfacecolor="white")
    width = max(float(np.ptp(x)), 1e-9)
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(x[0], x[-1])
    axes.set_xticks([tick for tick in ticks if x[0] - 0.05 * width <= tick <= x[-1] + 0.05 * width])
    axes.set_xlim(x[0] - 0.1 * width, x[-1] + 0.1 * width)
    if np.isfinite(found.missing_mean):
        beside = x[-1] + 0.22 * width
        axes.axvline(x[-1] + 0.11 * width, color=GREY, linewidth=0.8)
        axes.plot(beside, found.missing_mean, "D", color=ORANGE, markersize=6.5)
        axes.set_xlim(x[0] - 0.1 * width, x[-1] + 0.32 * width)
