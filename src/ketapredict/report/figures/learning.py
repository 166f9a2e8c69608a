"""Performance at growing sizes of the training data."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.marks import BLUE, interval_text, say_not_estimable
from ketapredict.report.figures.svg import figure_svg
from ketapredict.validate.measures import MEASURES

DRAWN = {"log_loss": "lower is better", "auc": "higher is better"}


def learning_figure(statement: str, landmark: str, table: pd.DataFrame) -> str:
    """Draw log-loss and AUC against the number of courses that were trained on.

    Parameters
    ----------
    statement, landmark : str
    table : pandas.DataFrame
        From `validate.learning_curve.learning_curve`, of one landmark.

    Returns
    -------
    str
        SVG; under it what the last step brought, paired.
    """

    def draw(figure: Any) -> None:
        for axes, (name, better) in zip(figure.subplots(1, 2), DRAWN.items(), strict=True):
            axes.set(
                xlabel="courses trained on", ylabel=MEASURES[name].label, title=f"{MEASURES[name].label}: {better}"
            )
            rows = _rows(table, name)
            if rows.empty:
                say_not_estimable(axes)
                continue
            x, y, low, high = rows[["training_courses", "estimate", "low", "high"]].to_numpy(float).T
            known = np.isfinite(low) & np.isfinite(high)
            axes.vlines(x[known], low[known], high[known], color="black", linewidth=1.2)
            axes.plot(x, y, color=BLUE, linewidth=1.6, marker="o", markersize=6, markerfacecolor="white")
            beside = (6, 5) if y[-1] <= y[0] else (6, -11)  # off the line between the points
            for place, value in zip(x, y, strict=True):
                axes.annotate(f"{value:.3f}", (place, value), xytext=beside, textcoords="offset points", fontsize=8.5)
            axes.set_xlim(0, 1.15 * float(x.max()))
            axes.set_xticks(x, [f"{courses:.0f}" for courses in x])

    notes = [text for name in DRAWN if (text := _last_step(_rows(table, name), MEASURES[name].label))]
    notes = ["Bars: 95% intervals; sizes are means over the folds.", *notes]
    return figure_svg(
        "learning", statement, landmark, "learning curve", draw, height=310, notes=notes, summary=_summary(table)
    )


def _rows(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    rows = table[(table["measure"] == measure) & np.isfinite(table["estimate"].to_numpy(float))]
    return rows.sort_values("training_courses", ignore_index=True)


def _last_step(rows: pd.DataFrame, label: str) -> str:
    if len(rows) < 2:
        return ""
    before, last = rows.iloc[-2], rows.iloc[-1]
    gain = interval_text(float(before["gain"]), float(before["gain_low"]), float(before["gain_high"]), places=3)
    return (
        f"From {before['training_courses']:.0f} to {last['training_courses']:.0f} courses the {label} moved by {gain}."
    )


def _summary(table: pd.DataFrame) -> str:
    parts = []
    for name in DRAWN:
        for row in _rows(table, name).itertuples():
            text = interval_text(float(row.estimate), float(row.low), float(row.high), places=3)
            parts.append(f"{MEASURES[name].label} with {row.training_courses:.0f} courses: {text}")
    return "; ".join(parts)
