"""Observed against expected outcomes in each subgroup."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.forest import ForestRow, bare_panel, draw_row
from ketapredict.report.figures.marks import interval_text, say_not_estimable
from ketapredict.report.figures.svg import figure_svg
from ketapredict.validate.small_groups import FEWEST_SHOWN, TOO_FEW
from ketapredict.validate.tables import OBSERVED_OVER_EXPECTED

LIMITS = (0.4, 2.5)
TICKS = (0.5, 0.7, 1.0, 1.4, 2.0)
ROW_PIXELS = 23


def subgroup_figure(statement: str, landmark: str, table: pd.DataFrame) -> str:
    """Draw observed over expected outcomes of the subgroups, with what is too small said in words.

    Parameters
    ----------
    statement, landmark : str
    table : pandas.DataFrame
        `variable, level, courses, events, measure, estimate, low, high, warning, certainly_miscalibrated` of
        one landmark, of `validate.small_groups.without_small_subgroups`: what it leaves out is not drawn.

    Returns
    -------
    str
        SVG.
    """
    chosen = table[table["measure"] == OBSERVED_OVER_EXPECTED]
    lines: list[tuple[str, str, ForestRow | None]] = []
    for variable, group in chosen.groupby("variable", sort=False):
        lines.append((str(variable), "", None))
        lines += [_line(record) for _, record in group.iterrows()]

    def draw(figure: Any) -> None:
        if not lines:
            say_not_estimable(figure.subplots(), "no subgroups")
            return
        names, axes, words = figure.subplots(1, 3, width_ratios=(2.1, 1.5, 1.2))
        for side in (names, words):
            side.set(xlim=(0, 1), ylim=(len(lines) - 0.4, -0.75))
            side.axis("off")
        axes.set_xscale("log")
        bare_panel(axes, len(lines), 1.0, LIMITS)
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS], fontsize=8)
        axes.minorticks_off()
        axes.set_xlabel("observed / expected (95% interval)")
        for place, (label, sizes, row) in enumerate(lines):
            names.text(
                0 if row is None else 0.05, place, label, va="center", fontweight="bold" if row is None else None
            )
            names.text(1.0, place, sizes, va="center", ha="right", fontsize=8.5)
            if row is not None:
                draw_row(axes, place, row, LIMITS)
                words.text(0, place, row.text, va="center", fontsize=8.5)

    notes = [
        "Under 1: fewer outcomes than the model expects. Arrows: the interval goes on. "
        "Filled squares: certainly miscalibrated, over all subgroups at once."
    ]
    summary = "; ".join(f"{label} ({sizes}): {row.text}" for label, sizes, row in lines if row is not None)
    return figure_svg(
        "subgroups", statement, landmark, "observed and expected outcomes by subgroup", draw,
        height=70 + ROW_PIXELS * max(len(lines), 2), notes=notes, summary=summary,
    )  # fmt: skip


def _line(record: pd.Series) -> tuple[str, str, ForestRow]:
    courses, events = float(record["courses"]), float(record["events"])
    level = str(record["level"])
    if not np.isfinite(courses):
        return level, f"n<{FEWEST_SHOWN}", ForestRow(np.nan, np.nan, np.nan, TOO_FEW)
    sizes = f"n={courses:.0f}, {events:.0f} with outcome" if np.isfinite(events) else f"n={courses:.0f}"
    numbers = float(record["estimate"]), float(record["low"]), float(record["high"])
    warning = record["warning"]
    if isinstance(warning, str) and warning:
        return level, sizes, ForestRow(*numbers, TOO_FEW)
    off = bool(record["certainly_miscalibrated"])
    text = interval_text(*numbers) + (" certainly off" if off else "")
    return level, sizes, ForestRow(*numbers, text, "off" if off else "single")
