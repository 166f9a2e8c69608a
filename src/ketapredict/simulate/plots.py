"""Pictures of simulated courses beside published points: `python -m ketapredict.simulate.plots DIRECTORY`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ketapredict.cohort.protocols import HOURS_PER_DAY
from ketapredict.simulate.classes import CLASSES
from ketapredict.simulate.columns import to_frame
from ketapredict.simulate.courses import simulate_chunks
from ketapredict.simulate.evidence import evidence_table
from ketapredict.simulate.imitations import SCENARIOS
from ketapredict.simulate.scenario import DIAGNOSES, Scenario
from ketapredict.simulate.time_course import infusion_days

COURSES, SEED = 20_000, 0
_COLOURS = {"none": "#b3452c", "partial": "#c9a227", "robust": "#2b6f8a"}
_DIAGNOSIS_COLOURS = {"MDD": "#2b6f8a", "BD-I": "#b3452c", "BD-II": "#7a5195", "BD": "#888888"}
_MIXED = (0.40, 0.25, 0.30, 0.05)
# Rows of trajectory.json; all confirmed or derived. The text says where a point belongs.
_SINGLE_ROWS = {
    "Han 2016, pooled": ("T043", "T044", "T045"),
    "Wilkinson 2019, pooled": ("T047",),
    "Cochrane 2021, vs midazolam": ("T054",),
    "Murrough 2013": ("T026",),
    "Pennybaker 2017": ("T061",),
}
_COURSE_ROWS = {
    "Zheng 2019": (("T031", 1), ("T032", 6)),
    "Shiroma 2014 (n = 12)": (("T033", 1), ("T034", 6)),
    "Phillips 2019": (("T036", 6),),
    "Zheng 2018, bipolar": (("T063", 6),),
}
# Class mean QIDS-SR16 before the fourth observation over that at baseline (O'Brien 2019, T077 to T079).
_OBRIEN = {"robust": "T077", "partial": "T079", "none": "T078"}
_MARKERS = "osD^vP"


@dataclass(frozen=True)
class Curves:
    """Simulated courses of one scenario over time.

    Attributes
    ----------
    hours : numpy.ndarray
        (T,).
    improvement : numpy.ndarray
        (n, T) 1 - score / baseline had nothing been missed, NaN where the scale is not rated.
    groups : pandas.DataFrame
        Class of the course and diagnosis, one row per course.
    """

    hours: np.ndarray
    improvement: np.ndarray
    groups: pd.DataFrame


def curves(scenario: Scenario, n_courses: int = COURSES, seed: int = SEED) -> Curves:
    """Simulate a scenario and return what the pictures draw."""
    chunks = list(simulate_chunks(scenario, n_courses, seed))
    table = pd.concat([to_frame(chunk.table) for chunk in chunks], ignore_index=True)
    hidden = pd.concat([to_frame(chunk.hidden) for chunk in chunks], ignore_index=True)
    points = scenario.protocol.time_points
    scores = np.column_stack([hidden[f"complete_score_{point.name}"] for point in points])
    groups = pd.DataFrame({"class": hidden["class_course"], "diagnosis": table["diagnosis"]})
    if "arm" in table:
        active = (table["arm"] != "control").to_numpy()
        scores, table, groups = scores[active], table[active], groups[active]
    improvement = 1.0 - scores / table["score_baseline"].to_numpy(float)[:, None]
    return Curves(np.array([point.hours for point in points]), improvement, groups.reset_index(drop=True))


def draw_all(folder: Path, n_courses: int = COURSES) -> tuple[Path, ...]:
    """Write `simulation-classes.svg` and `simulation-diagnosis.svg` to a folder and return their paths."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with mpl.rc_context({"svg.hashsalt": "ketapredict", "font.size": 9, "axes.spines.top": False}):
        for name, draw in (("classes", _classes), ("diagnosis", _diagnoses)):
            figure = Figure(figsize=(10, 4.2), layout="constrained")
            draw(figure, n_courses)
            path = folder / f"simulation-{name}.svg"
            figure.savefig(path, metadata={"Date": None})
            paths.append(path)
    return tuple(paths)


def _classes(figure: Any, n_courses: int) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    published = _trajectory()
    single = curves(SCENARIOS["single, midazolam trial"], n_courses)
    course = curves(SCENARIOS["course, clinic, QIDS"], n_courses)
    for axes, made in ((left, single), (right, course)):
        rated = made.hours >= HOURS_PER_DAY if axes is right else made.hours > 0
        days = np.concatenate([[0.0], made.hours[rated] / HOURS_PER_DAY])
        for name in CLASSES:
            left_over = 100.0 * (1.0 - made.improvement[(made.groups["class"] == name).to_numpy()][:, rated])
            low, middle, high = (np.concatenate([[100.0], q]) for q in np.percentile(left_over, (25, 50, 75), axis=0))
            share = 100.0 * (made.groups["class"] == name).mean()
            axes.plot(days, middle, color=_COLOURS[name], marker=".", label=f"{name} ({share:.0f}% of courses)")
            axes.fill_between(days, low, high, color=_COLOURS[name], alpha=0.15, linewidth=0)
        axes.axhline(50, color="black", linewidth=0.6, linestyle=":")
        axes.set_xlabel("days after the first infusion")
    # The fourth observation is before a fourth infusion: about three days after the third.
    day = infusion_days(SCENARIOS["course, clinic, QIDS"])[2] + 3.0
    for name, row in _OBRIEN.items():
        start, end = (float(text) for text in str(published.loc[row, "pct_or_value"]).split(" -> "))
        label = "published class means (O'Brien 2019)" if name == "robust" else None
        axes_point = {"color": _COLOURS[name], "marker": "*", "markersize": 12, "linestyle": "", "label": label}
        right.plot([day], [100.0 * end / start], **axes_point)
    left.set_ylabel("score, % of the baseline (median, quartiles)")
    left.set_title("One infusion, MADRS, trial, ketamine arm")
    right.set_title("Four infusions, QIDS-SR16, clinic")
    for axes in (left, right):
        axes.set_ylim(0, 130)
        axes.legend(frameon=False, fontsize=8)


def _diagnoses(figure: Any, n_courses: int) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    published = _trajectory()
    single = curves(_mixed("single, midazolam trial"), n_courses)
    course = curves(_mixed("course, open research"), n_courses)
    for name in DIAGNOSES[:3]:
        for axes, made in ((left, single), (right, course)):
            rows = (made.groups["diagnosis"] == name).to_numpy()
            responding = 100.0 * (made.improvement[rows] >= 0.5).mean(axis=0)
            x = made.hours / HOURS_PER_DAY if axes is left else np.arange(1, 7)
            shown = slice(None) if axes is left else made.hours >= HOURS_PER_DAY
            axes.plot(x, responding[shown], color=_DIAGNOSIS_COLOURS[name], marker=".", label=f"simulated, {name}")
    for marker, (label, names) in zip(_MARKERS, _SINGLE_ROWS.items(), strict=False):
        values = published.loc[list(names)]
        share = values["pct_or_value"].astype(float).tolist()
        _point(left, values["hours_from_first"].to_numpy(float) / HOURS_PER_DAY, share, marker, label)
    for marker, (label, pairs) in zip(_MARKERS, _COURSE_ROWS.items(), strict=False):
        share = [float(str(published.loc[row, "pct_or_value"])) for row, _ in pairs]
        _point(right, [number for _, number in pairs], share, marker, label)
    left.set_xlabel("days after the infusion")
    right.set_xlabel("infusions so far (24 h after each)")
    left.set_ylabel("responding (fall of 50% or more), %")
    left.set_title("One infusion, MADRS, trial")
    right.set_title("Six infusions, MADRS, open research")
    for axes in (left, right):
        axes.set_ylim(0, 100)
        axes.legend(frameon=False, fontsize=8)


def _point(axes: Any, x: Sequence[float] | np.ndarray, y: Sequence[float], marker: str, label: str) -> None:
    axes.plot(x, y, linestyle="", marker=marker, color="black", markerfacecolor="none", label=f"published, {label}")


def _mixed(name: str) -> Scenario:
    return replace(SCENARIOS[name], diagnosis_shares=_MIXED)


def _trajectory() -> pd.DataFrame:
    table = evidence_table("trajectory").set_index("row_id")
    return table[table["verification"].isin(["confirmed", "derived"])]


if __name__ == "__main__":
    for written in draw_all(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        sys.stdout.write(f"{written}\n")
