"""How far each concept moves the courses' estimates, without a way from one row's dot to another's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ketapredict.report.figures.marks import BLUE, GREY, dots, key_above, say_not_estimable
from ketapredict.report.figures.svg import figure_svg

MOST_CONCEPTS = 12
MOST_COURSES = 400
FEWEST_COURSES = 10
STEP = 0.02
_SEED = 0
_ROW_PIXELS = 36
# Distance of stacked dots and height of a full stack, in rows.
_DOT, _STACK = 0.075, 0.84
# Thirds by the rank of the leading feature: from light to dark, from round to square.
_SHADES = (("low", "#e8a33d", False), ("middle", "#8a8a8a", False), ("high", "#0b3c6f", True))
_UNKNOWN = ("not known", "black", False)
_DOT_SIZE, _SQUARE_SIZE, _UNKNOWN_SIZE = 2.5, 2.0, 1.5


def beeswarm_figure(
    statement: str,
    landmark: str,
    concepts: Sequence[str],
    contributions: np.ndarray,
    values: np.ndarray | None = None,
) -> str:
    """Draw the contributions of the concepts that move estimates most, one dot per course and concept.

    Parameters
    ----------
    statement, landmark : str
    concepts : sequence of str (k,)
        Labels.
    contributions : numpy.ndarray (n, k)
        Log-odds.
    values : numpy.ndarray (n, k), optional
        Rank in [0, 1] of each course's value of the concept's leading feature; NaN where not known.

    Returns
    -------
    str
        SVG. Each row is drawn from its own sorted values alone (at most 400 of them, in steps of 0.02, in an order
        that is not that of the courses): no dot can be followed from row to row.
    """
    found = np.asarray(contributions, float)
    ranks = np.full(found.shape, np.nan) if values is None else np.asarray(values, float).reshape(found.shape)
    rows = [(label, *_sorted(found[:, k], ranks[:, k])) for k, label in enumerate(concepts)]
    rows = [row for row in rows if len(row[1]) >= FEWEST_COURSES]
    sizes = {label: float(np.abs(moved).mean()) for label, moved, _ in rows}
    rows = sorted(rows, key=lambda row: -sizes[row[0]])[:MOST_CONCEPTS]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_xlabel("contribution to the log-odds of the outcome (left lowers, right raises the estimate)")
        if not rows:
            say_not_estimable(axes, f"fewer than {FEWEST_COURSES} courses")
            return
        axes.axvline(0, color=GREY, linewidth=1)
        placed = [_placed(*_sampled(moved, rank)) for _, moved, rank in rows]
        for shade, (_, colour, square) in enumerate((*_SHADES, _UNKNOWN)):
            if values is None:
                colour, size = BLUE, _DOT_SIZE
            else:
                size = _UNKNOWN_SIZE if shade == len(_SHADES) else _SQUARE_SIZE if square else _DOT_SIZE
            x = np.concatenate([p[0][p[2] == shade] for p in placed])
            y = np.concatenate([place + p[1][p[2] == shade] for place, p in enumerate(placed)])
            dots(axes, x, y, size, colour, square=square)
        reach = max(float(np.abs(p[0]).max()) for p in placed) + 2 * STEP
        axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.45, -0.55))
        axes.set_yticks(range(len(rows)), [label for label, *_ in rows], fontsize=9)
        axes.tick_params(axis="y", length=0)
        for place, (label, *_) in enumerate(rows):
            axes.text(
                1.01, place, f"{sizes[label]:.2f}", transform=axes.get_yaxis_transform(), va="center", fontsize=8.5
            )
        axes.text(1.01, 1.0, "mean\nsize", transform=axes.transAxes, va="bottom", fontsize=8.5, linespacing=1.0)
        if values is not None:
            _key(axes)

    sample = f"; a sample of {MOST_COURSES} of {len(found)} courses, drawn anew in each row"
    notes = [
        f"One dot is one course in one row, rounded to {STEP:g}{sample if len(found) > MOST_COURSES else ''}. Rows are "
        "sorted each by itself: dots above one another do not belong to one course.",
        "Mean size: mean absolute contribution over all courses. Contributions describe the model, not causes.",
    ]
    summary = "Mean absolute contribution in log-odds. " + "; ".join(
        f"{label}: {sizes[label]:.2f}" for label, *_ in rows
    )
    return figure_svg(
        "beeswarm", statement, landmark, "contributions of the concepts", draw,
        height=90 + _ROW_PIXELS * max(len(rows), 3), notes=notes, summary=summary,
    )  # fmt: skip


def _sorted(moved: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a concept's contributions, rounded, and ranks in their own order: the courses' order is gone."""
    known = np.isfinite(moved)
    steps = np.round(moved[known] / STEP) * STEP + 0.0
    order = np.lexsort((moved[known], ranks[known], steps))
    return np.asarray(moved[known][order]), np.asarray(ranks[known][order])


def _sampled(moved: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(moved) <= MOST_COURSES:
        return moved, ranks
    chosen = np.sort(np.random.default_rng(_SEED).choice(len(moved), MOST_COURSES, replace=False))
    return moved[chosen], ranks[chosen]


def _placed(moved: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stack dots of the same rounded contribution, by rank, around the row; (n,) x, offset and shade."""
    steps = np.round(moved / STEP).astype(int)
    starts = np.flatnonzero(np.r_[True, np.diff(steps) != 0])
    counts = np.diff(np.r_[starts, len(steps)])
    place = np.arange(len(steps)) - np.repeat(starts, counts)
    distance = min(_DOT, _STACK / max(int(counts.max()) - 1, 1))
    offset = distance * ((np.repeat(counts, counts) - 1) / 2 - place)
    shade = np.where(np.isfinite(ranks), np.clip(np.nan_to_num(ranks) * 3, 0, 2).astype(int), len(_SHADES))
    return steps * STEP, offset, shade


def _key(axes: Any) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=colour, linestyle="", marker="s" if square else "o", markersize=6, label=label)
        for label, colour, square in _SHADES
    ]
    label, colour, _ = _UNKNOWN
    entries.append(Line2D([], [], color=colour, linestyle="", marker="o", markersize=3.5, label=label))
    key_above(axes, 4, entries, "value of the concept's leading feature, thirds of the courses:")
