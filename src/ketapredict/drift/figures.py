"""Figures of the drift page: what lies elsewhere, and how the estimates are distributed."""

from typing import Any

import numpy as np

from ketapredict.drift.monitoring import LEAST_SHARE, Comparison, EstimatesCounted
from ketapredict.report.figures.marks import BLUE, GREY, LIGHT, ORANGE, dots
from ketapredict.report.figures.svg import figure_svg

# More rows than these are in the table only.
MOST_ROWS = 15


def shares_figure(statement: str, landmark: str, comparisons: list[Comparison]) -> str:
    """Draw the share of the new courses that each comparison of a landmark concerns, the largest first.

    Parameters
    ----------
    statement, landmark : str
    comparisons : list of Comparison
        Of one landmark, at least one.

    Returns
    -------
    str
        SVG.
    """
    shown = sorted(comparisons, key=lambda found: -abs(found.share))[:MOST_ROWS]
    labels = [f"{found.label}, missing" if found.kind == "missing" else found.label for found in shown]
    shares = np.array([abs(found.share) for found in shown])
    alarms = np.array([found.alarm for found in shown])
    places = np.arange(len(shown), dtype=float)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.hlines(places, 0, shares, color=LIGHT, linewidth=2)
        axes.axvline(LEAST_SHARE, color=GREY, linewidth=0.8, linestyle=":")
        dots(axes, shares[~alarms], places[~alarms], 6, BLUE)
        dots(axes, shares[alarms], places[alarms], 7, ORANGE, square=True)
        axes.set_yticks(places, labels)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlim(0, max(float(shares.max()) * 1.08, 2 * LEAST_SHARE))
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel("share of the new courses concerned")

    told = [
        f"{label} {share:.0%}{' (alarm)' if alarm else ''}"
        for label, share, alarm in zip(labels, shares, alarms, strict=True)
    ]
    return figure_svg(
        "drift", statement, landmark, "what lies elsewhere than in training", draw, height=64 + 22 * len(shown),
        notes=[
            "Squares sound the alarm: hardly chance, and at or beyond the dotted line. Small samples scatter.",
            *([f"The {MOST_ROWS} largest of {len(comparisons)}."] if len(comparisons) > MOST_ROWS else []),
        ],
        summary="; ".join(told),
    )  # fmt: skip


def estimates_figure(statement: str, landmark: str, counted: EstimatesCounted) -> str:
    """Draw the distribution of the estimates of the new courses beside that of the training courses.

    Parameters
    ----------
    statement, landmark : str
    counted : EstimatesCounted

    Returns
    -------
    str
        SVG.
    """
    edges = np.array([0.0, *counted.edges, 1.0])
    widths = np.diff(edges)
    before, now = (np.array(counts) / max(sum(counts), 1) for counts in (counted.training, counted.new))

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        # Bins are of unequal width: areas are shares.
        axes.stairs(before / widths, edges, fill=True, color=LIGHT, label=f"training (n={sum(counted.training)})")
        axes.stairs(now / widths, edges, color=BLUE, linewidth=1.8, label=f"new (n={sum(counted.new)})")
        axes.set_xlim(0, 1)
        axes.set_yticks([])
        axes.set_xlabel("estimated probability")
        axes.set_ylabel("share (area)")
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, 1.14), ncols=2, frameon=False, fontsize=8.5)

    told = [
        f"{low:.2f} to {high:.2f}: {a:.0%} in training, {b:.0%} new"
        for low, high, a, b in zip(edges[:-1], edges[1:], before, now, strict=True)
    ]
    return figure_svg(
        "estimates", statement, landmark, "estimates of the new courses", draw, height=200,
        notes=["Bins hold about equally many training courses each; areas are shares."], summary="; ".join(told),
    )  # fmt: skip
