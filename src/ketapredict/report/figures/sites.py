"""Each site predicted by a model that saw none of it, and the sites pooled."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.forest import ForestRow, bare_panel, draw_row
from ketapredict.report.figures.marks import NOT_ESTIMABLE, interval_text, say_not_estimable
from ketapredict.report.figures.svg import figure_svg
from ketapredict.validate.measures import MEASURES

# Measure, the value of no discrimination or perfect calibration, the widest axis that is shown.
PANELS = (
    ("auc", 0.5, (0.0, 1.0)),
    ("calibration_slope", 1.0, (-1.0, 3.0)),
    ("calibration_intercept", 0.0, (-2.5, 2.5)),
)
POOLED, ANOTHER_SITE = "pooled", "at another site"
_Row = tuple[str, dict[str, ForestRow]]


def site_figure(statement: str, landmark: str, sites: pd.DataFrame, pooled: pd.DataFrame) -> str:
    """Draw AUC, calibration slope and intercept of every site, pooled, and as expected at another site.

    Parameters
    ----------
    statement, landmark : str
    sites, pooled : pandas.DataFrame
        The tables of `validate.by_site.SiteValidation`, of one landmark.

    Returns
    -------
    str
        SVG.
    """
    rows = [*_site_rows(sites), *_pooled_rows(pooled)]

    def draw(figure: Any) -> None:
        if not rows:
            say_not_estimable(figure.subplots(), "fewer than two sites with enough courses")
            return
        names, *panels = figure.subplots(1, 1 + len(PANELS), width_ratios=(1.15, 1, 1, 1))
        names.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.75))
        names.axis("off")
        for place, (label, _) in enumerate(rows):
            weight = "bold" if label in (POOLED, ANOTHER_SITE) else "normal"
            for line, text in enumerate(label.split("\n")):
                names.text(0, place - 0.17 + 0.38 * line, text, va="center", fontsize=8.5, fontweight=weight)
        for axes, (measure, reference, widest) in zip(panels, PANELS, strict=True):
            limits = _limits([found[measure] for _, found in rows if measure in found], reference, widest)
            bare_panel(axes, len(rows), reference, limits)
            axes.set_xlabel(MEASURES[measure].label, fontsize=9)
            for place, (_, found) in enumerate(rows):
                row = found.get(measure, ForestRow(np.nan, np.nan, np.nan, NOT_ESTIMABLE))
                draw_row(axes, place + 0.16, row, limits)
                axes.text(
                    0.5, place - 0.24, row.text, transform=axes.get_yaxis_transform(), ha="center", va="center",
                    fontsize=8, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                )  # fmt: skip

    notes = [
        "Each site is predicted by a fit to the other sites; 95% intervals. Arrows: the interval goes on.",
        "At another site: 95% prediction interval of a site's figure. Dotted: no discrimination, perfect calibration.",
    ]
    if not rows:
        notes = [f"Sites: {NOT_ESTIMABLE}."]
    summary = "; ".join(
        f"{label.replace(chr(10), ', ')}: {', '.join(f'{MEASURES[m].label} {row.text}' for m, row in found.items())}"
        for label, found in rows
    )
    return figure_svg(
        "sites", statement, landmark, "each site predicted by the others", draw, height=70 + 38 * max(len(rows), 2),
        notes=notes, summary=summary,
    )  # fmt: skip


def _site_rows(sites: pd.DataFrame) -> list[_Row]:
    rows: list[_Row] = []
    drawn = sites[sites["measure"].isin([measure for measure, _, _ in PANELS])]
    for site, group in drawn.groupby("site", sort=False):
        first = group.iloc[0]
        many = f" ({first['sites']:.0f} sites)" if first["sites"] > 1 else ""
        events = f", {first['events']:.0f} with outcome" if np.isfinite(first["events"]) else ""
        label = f"{site}{many}\nn={first['courses']:.0f}{events}"
        rows.append((label, {str(r["measure"]): _row(r, "low", "high", "single") for _, r in group.iterrows()}))
    return rows


def _pooled_rows(pooled: pd.DataFrame) -> list[_Row]:
    names = [measure for measure, _, _ in PANELS]
    found = {str(r["measure"]): r for _, r in pooled.iterrows() if r["measure"] in names}
    if not found:
        return []
    another = {}
    for name, r in found.items():
        low, high = float(r["prediction_low"]), float(r["prediction_high"])
        text = f"{low:.2f} to {high:.2f}" if np.isfinite(low) and np.isfinite(high) else NOT_ESTIMABLE
        another[name] = ForestRow(np.nan, low, high, text, "prediction")
    return [
        (POOLED, {name: _row(r, "low", "high", "pooled") for name, r in found.items()}),
        (ANOTHER_SITE, another),
    ]


def _row(record: pd.Series, low: str, high: str, kind: str) -> ForestRow:
    numbers = float(record["estimate"]), float(record[low]), float(record[high])
    hidden = str(record.get("told", "")).startswith("not told")
    return ForestRow(*numbers, "not told" if hidden else interval_text(*numbers), kind)


def _limits(rows: list[ForestRow], reference: float, widest: tuple[float, float]) -> tuple[float, float]:
    """Return an axis that holds what there is, as far as the widest one."""
    values = np.array([reference, *(v for row in rows for v in (row.estimate, row.low, row.high))])
    values = np.clip(values[np.isfinite(values)], *widest)
    margin = 0.06 * max(float(np.ptp(values)), 0.1)
    return max(float(values.min()) - margin, widest[0]), min(float(values.max()) + margin, widest[1])
