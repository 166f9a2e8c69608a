"""Net benefit of acting on the model beside what one would do without it."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.report.figures.marks import (
    BAND,
    BLUE,
    GREEN,
    GREY,
    NOT_ESTIMABLE,
    ORANGE,
    key_above,
    say_not_estimable,
)
from ketapredict.report.figures.svg import figure_svg
from ketapredict.validate.decision_curve import ALL, MODEL, NONE, RULE

# Of the thresholds of `validate.decision_curve`: the bar of a single one is as wide as its step.
HALF_STEP = 0.005
THRESHOLD_LABEL = (
    "threshold: the probability of the outcome at which one would be in doubt whether to go on\n"
    "(at 0.2 one accepts four needless courses for one that brings the outcome, at 0.5 one)"
)
_STYLES: dict[str, dict[str, Any]] = {
    MODEL: {"color": BLUE, "linestyle": "-", "linewidth": 2.2},
    ALL: {"color": ORANGE, "linestyle": "--", "linewidth": 1.6},
    NONE: {"color": GREY, "linestyle": ":", "linewidth": 1.6},
    RULE: {"color": GREEN, "linestyle": "-.", "linewidth": 1.6},
}
_WORDS = {
    MODEL: "go on where the model says so (95% band)",
    ALL: "treat all: everyone goes on",
    NONE: "treat none: no one goes on",
    RULE: "20% rule: those who improved by 20% go on",
}


def decision_figure(statement: str, landmark: str, table: pd.DataFrame) -> str:
    """Draw net benefit over thresholds.

    Parameters
    ----------
    statement, landmark : str
    table : pandas.DataFrame
        From `validate.decision_curve.decision_curve`, of one landmark.

    Returns
    -------
    str
        SVG; a bar on the axis shows where the model is better than every other strategy.
    """
    strategies = {name: table[table["strategy"] == name].sort_values("threshold") for name in _STYLES}
    strategies = {
        name: rows for name, rows in strategies.items() if np.isfinite(rows["net_benefit"].to_numpy(float)).any()
    }
    better = better_than_all_others(table)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set(xlabel=THRESHOLD_LABEL, ylabel="net benefit (courses with the outcome per course)")
        if MODEL not in strategies:
            say_not_estimable(axes)
            return
        model = strategies[MODEL]
        x = model["threshold"].to_numpy(float)
        axes.fill_between(x, model["low"].to_numpy(float), model["high"].to_numpy(float), color=BAND, linewidth=0)
        for name, rows in strategies.items():
            axes.plot(rows["threshold"], rows["net_benefit"], label=_WORDS[name], **_STYLES[name])
        top = float(np.nanmax(model[["net_benefit", "high"]].to_numpy(float)))
        axes.set(xlim=(0, min(float(x.max()) + 0.02, 1)), ylim=(-0.2 * top - 0.02, max(1.08 * top, 0.05)))
        for low, high in better:
            axes.plot(
                [low - HALF_STEP, high + HALF_STEP],
                [-0.14 * top] * 2,
                color="black",
                linewidth=4,
                solid_capstyle="butt",
            )
        key_above(axes, 2)

    places = ", ".join(f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}" for low, high in better)
    said = (
        "Black bar: thresholds at which the model is better than every other strategy (95% interval of each paired "
        f"gain above 0, threshold by threshold, so that some are by chance): {places}."
        if better
        else "At no threshold is the model better than every other strategy (95% interval of each paired gain above 0)."
    )
    notes = [said if MODEL in strategies else f"Net benefit: {NOT_ESTIMABLE}."]
    return figure_svg(
        "decision", statement, landmark, "net benefit of decisions by the model", draw, height=430, notes=notes,
        summary=_summary(strategies),
    )  # fmt: skip


def better_than_all_others(table: pd.DataFrame) -> list[tuple[float, float]]:
    """Return the stretches of thresholds at which the interval of the model's gain over each other is above 0.

    Parameters
    ----------
    table : pandas.DataFrame
        `strategy, threshold, gain_low` and others.

    Returns
    -------
    list of (float, float)
        First and last threshold of each stretch, ascending.
    """
    others = table[table["strategy"] != MODEL]
    least = others.groupby("threshold")["gain_low"].agg(lambda gains: gains.min(skipna=False)).sort_index()
    stretches: list[tuple[float, float]] = []
    before = False
    for threshold, gain in least.items():
        better = bool(gain > 0)
        if better:
            stretches = [*stretches[:-1], (stretches[-1][0], threshold)] if before else [*stretches, (threshold,) * 2]
        before = better
    return stretches


def _summary(strategies: dict[str, pd.DataFrame]) -> str:
    parts = []
    for name, rows in strategies.items():
        shown = rows[np.isclose(rows["threshold"].to_numpy(float) * 10 % 1, 0, atol=1e-6)]
        values = ", ".join(f"{b:.3f} at {t:.1f}" for t, b in zip(shown["threshold"], shown["net_benefit"], strict=True))
        parts.append(f"{name}: {values}")
    return "Net benefit. " + "; ".join(parts) + "."
