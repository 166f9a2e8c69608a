"""How far predictions and their calibration would move with another sample of the same size."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.marks import BAND, BLUE, GREY, ORANGE, dots, hair_lines, key_above, say_not_estimable
from ketapredict.report.figures.svg import figure_svg
from ketapredict.validate.instability import THRESHOLD

MOST_COURSES = 400
BINS = 20
MOST_CURVES = 100
MOST_POINTS = 25


def instability_figure(statement: str, landmark: str, courses: pd.DataFrame, threshold: float = THRESHOLD) -> str:
    """Draw the range of the refits' probabilities and the mean absolute difference against the probability.

    Parameters
    ----------
    statement, landmark : str
    courses : pandas.DataFrame
        `probability, low, high, mape, changed` of `validate.instability`. Beyond 400 courses, twentieths by
        probability are drawn instead.
    threshold : float
        For which `changed` was counted.

    Returns
    -------
    str
        SVG. Courses are drawn in the order of their probability.

    References
    ----------
    Riley and Collins, Biom J 2023;65:2200302; Rhodes, pminternal (R package).
    """
    known = courses[np.isfinite(courses[["probability", "low", "high", "mape"]].to_numpy(float)).all(axis=1)]
    known = known.sort_values(["probability", "low", "high", "mape"], ignore_index=True)
    single = len(known) <= MOST_COURSES
    shown = known if single else binned(known)

    def draw(figure: Any) -> None:
        left, right = figure.subplots(1, 2)
        for axes in (left, right):
            axes.set(xlim=(0, 1), xlabel="reported probability")
            if known.empty:
                say_not_estimable(axes)
        left.set(ylim=(0, 1), ylabel="probability by the refits", title="2.5% to 97.5% of the refits")
        right.set(ylabel="mean absolute difference (MAPE)", title="difference from the reported probability")
        if known.empty:
            return
        p, low, high, mape = (shown[name].to_numpy(float) for name in ("probability", "low", "high", "mape"))
        if single:
            hair_lines(left, p, low, high, 0.7, "#7ba3c9")
            dots(left, p, p, 2.2, "black")
            dots(right, p, mape, 3, BLUE)
        else:
            left.fill_between(p, low, high, color=BAND, linewidth=0)
            left.plot(p, p, color="black", linewidth=1.2)
            right.plot(p, mape, color=BLUE, linewidth=2, marker="o", markersize=4)
        for edge in ("low", "high") if single else ():
            _outline(left, known, edge)
        left.axvline(threshold, color=ORANGE, linestyle=":", linewidth=1.4)
        left.text(threshold, 0.0, f" {threshold:g}", color=ORANGE, va="bottom", fontsize=8.5)
        mean = float(known["mape"].mean())
        right.axhline(mean, color=GREY, linestyle="--", linewidth=1)
        right.text(1.0, mean, f"mean {mean:.3f}", ha="right", va="bottom", fontsize=8.5)
        right.set_ylim(0, max(1.15 * float(np.max(mape)), 0.02))

    return figure_svg(
        "instability", statement, landmark, f"instability of {len(known)} predictions over bootstrap refits", draw,
        height=340, notes=_notes(known, threshold, single), summary=" ".join(_notes(known, threshold, single)),
    )  # fmt: skip


def binned(courses: pd.DataFrame) -> pd.DataFrame:
    """Return means of twentieths of the courses (by probability): `probability, low, high, mape, changed`."""
    ordered = courses.sort_values("probability", kind="stable", ignore_index=True)
    parts = np.arange(len(ordered)) * BINS // max(len(ordered), 1)
    return ordered.groupby(parts).mean(numeric_only=True)


def _outline(axes: Any, courses: pd.DataFrame, edge: str) -> None:
    means = binned(courses)
    axes.plot(means["probability"], means[edge], color=BLUE, linewidth=1.3, linestyle="--")


def _notes(courses: pd.DataFrame, threshold: float, single: bool) -> list[str]:
    if courses.empty:
        return []
    drawn = "One line per course; dashed: means of twentieths." if single else "Means of twentieths of the courses."
    return [
        f"{drawn} Mean MAPE {courses['mape'].mean():.3f}, over {courses['mape'].quantile(0.95):.3f} for one course in "
        f"twenty; on average {courses['changed'].mean():.0%} of the refits put a course on the other side of "
        f"{threshold:g} (dotted)."
    ]


def calibration_instability_figure(statement: str, landmark: str, at: np.ndarray, curves: np.ndarray) -> str:
    """Draw the calibration curve of each refit's predictions of the original courses.

    Parameters
    ----------
    statement, landmark : str
    at : numpy.ndarray (k,)
        Probabilities.
    curves : numpy.ndarray (B, k)
        NaN where a curve has no value. The first 100 are drawn, and percentiles of all.

    Returns
    -------
    str
        SVG.
    """
    found = np.asarray(curves, float).reshape(-1, len(at))
    found = found[np.isfinite(found).sum(axis=1) >= 2]
    thin = np.unique(np.linspace(0, max(len(at) - 1, 0), min(len(at), MOST_POINTS)).round().astype(int))
    enough = np.isfinite(found).sum(axis=0) >= max(len(found) / 2, 2)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability by the refit", ylabel="observed share with the outcome")
        if not len(found):
            say_not_estimable(axes)
            return
        for place, curve in enumerate(found[:MOST_CURVES, thin]):
            label = "calibration curve of one refit" if place == 0 else None
            axes.plot(at[thin], curve, color="#8fb4d6", linewidth=0.6, label=label)
        low, middle, high = np.nanpercentile(found[:, enough], (2.5, 50, 97.5), axis=0)
        axes.plot(at[enough], middle, color="black", linewidth=2, label="median of the refits")
        axes.plot(at[enough], low, color=ORANGE, linewidth=1.4, linestyle="-.", label="2.5% and 97.5% of the refits")
        axes.plot(at[enough], high, color=ORANGE, linewidth=1.4, linestyle="-.")
        key_above(axes, 2)

    drawn = min(len(found), MOST_CURVES)
    notes = [f"{drawn} of {len(found)} refits drawn; percentiles are of all."] if len(found) else []
    return figure_svg(
        "calibration-instability", statement, landmark, "instability of the calibration over bootstrap refits", draw,
        height=430, notes=notes, summary=" ".join(notes),
    )  # fmt: skip
