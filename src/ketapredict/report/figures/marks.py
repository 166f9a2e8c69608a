"""Marks that several figures share: colours that differ in grey too, dots, and what cannot be said."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Okabe and Ito's colours, each always with a line style or marker of its own.
BLUE, ORANGE, GREEN, GREY, LIGHT, BAND = "#0b4f8a", "#c8540a", "#00735a", "#777777", "#cfcfcf", "#bcd4ea"
NOT_ESTIMABLE = "not estimable"


def dots(axes: Any, x: np.ndarray, y: np.ndarray, size: float, colour: str, *, square: bool = False) -> None:
    """Draw dots as one path of lines of no length: a tenth of the bytes of as many markers.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : numpy.ndarray (n,)
        Data coordinates.
    size : float
        Points.
    colour : str
    square : bool
        Square instead of round.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return
    corners = np.repeat(np.column_stack([x[known], y[known]]), 2, axis=0)
    codes = np.tile([Path.MOVETO, Path.LINETO], int(known.sum()))
    cap = "projecting" if square else "round"
    axes.add_patch(
        PathPatch(Path(corners, codes), facecolor="none", edgecolor=colour, linewidth=size, capstyle=cap, zorder=3)
    )


def hair_lines(axes: Any, x: np.ndarray, low: np.ndarray, high: np.ndarray, width: float, colour: str) -> None:
    """Draw vertical lines from low to high, (n,) each, as one path."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return
    ends = np.column_stack([x[known], low[known], x[known], high[known]]).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO], int(known.sum()))
    axes.add_patch(PathPatch(Path(ends, codes), facecolor="none", edgecolor=colour, linewidth=width, zorder=2))


def key_above(axes: Any, columns: int, handles: Sequence[Any] | None = None, title: str = "") -> None:
    """Explain the marks above the axes, where they can hide nothing."""
    options: dict[str, Any] = {} if handles is None else {"handles": handles}
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, frameon=False, fontsize=8.5, borderaxespad=0.3,
        title=title or None, title_fontsize=8.5, alignment="left", **options,
    )  # fmt: skip


def say_not_estimable(axes: Any, why: str = "", *, shares_y: bool = False) -> None:
    """Write in the middle of an empty panel that there is nothing to draw, and why; no ticks but those it shares."""
    words = f"{NOT_ESTIMABLE}: {why}" if why else NOT_ESTIMABLE
    axes.set_xticks([])
    if not shares_y:
        axes.set_yticks([])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", style="italic", color="#333333")


def interval_text(estimate: float, low: float, high: float, places: int = 2) -> str:
    """Return `estimate (low to high)`; in words what of it is missing."""
    if not np.isfinite(estimate):
        return NOT_ESTIMABLE
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"{estimate:.{places}f} (no interval)"
    return f"{estimate:.{places}f} ({low:.{places}f} to {high:.{places}f})"
