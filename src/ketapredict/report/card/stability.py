"""How far the numbers would move with another sample, and whether there is enough data."""

import json
from functools import lru_cache
from importlib import resources
from typing import Any

from ketapredict.model.uncertainty import INTERVAL_LEVEL
from ketapredict.report.card.facts import CardFacts, interval, number
from ketapredict.report.card.page import Block, Figure, Heading, Points, Section, Table, Text
from ketapredict.report.figures.instability import calibration_instability_figure, instability_figure
from ketapredict.report.figures.learning import learning_figure
from ketapredict.validate.measures import MEASURES

# Of the true probabilities inside the interval, overall and in each third: what was set out to be reached.
COVERAGE_GOALS = (0.85, 0.75)
# Of models that were updated, least and most over truths, sites and sizes (`benchmarks/updating.py`).
UPDATED_COVERAGE = "0.89 to 1.00"
_THIRDS = ("low", "middle", "high")


def stability(facts: CardFacts) -> Section:
    """Sample size, learning curve, instability, coverage of the patient's interval."""
    statements = [statement for study in facts.studies for statement in study.statements]
    blocks: list[Block] = [Heading("Is it enough?"), Points(statements)]
    for _, study in facts.by_landmark:
        if "learning_curve" in study.tables and study.tables["learning_curve"]["share"].nunique() > 1:
            table = study.tables["learning_curve"]
            svg = learning_figure(facts.statement, study.landmark, table)
            caption = f"Learning curve at {study.landmark}: the same test folds, growing training sets."
            blocks.append(Figure(f"learning-{study.landmark}", svg, caption))
            rows = [
                [
                    f"{row.training_courses:.0f}",
                    MEASURES[row.measure].label,
                    interval(row.estimate, row.low, row.high, 3),
                    interval(row.gain, row.gain_low, row.gain_high, 3),
                ]
                for row in table.itertuples()
            ]
            header = ["training courses", "measure", "estimate", "largest size minus this one, paired"]
            blocks.append(Table(f"Learning curve at {study.landmark}", header, rows, folded=True))
    blocks.append(Heading("Would another sample give the same answer?"))
    for _, study in facts.by_landmark:
        if study.instability is None:
            continue
        found = study.instability
        svg = instability_figure(facts.statement, study.landmark, found.courses)
        caption = f"Instability at {study.landmark}: {found.statement}"
        blocks.append(Figure(f"instability-{study.landmark}", svg, caption))
        svg = calibration_instability_figure(
            facts.statement, study.landmark, found.calibration_at, found.calibration_curves
        )
        caption = f"Calibration curves of the refits at {study.landmark}, on all courses."
        blocks.append(Figure(f"calibration-instability-{study.landmark}", svg, caption))
    if not facts.effort.refits:
        blocks.append(Text("Not measured: the run made no bootstrap refits."))
    blocks += _coverage(updated=bool(facts.updates))
    return Section("stability", "Sample size and stability", blocks)


def _coverage(*, updated: bool) -> list[Block]:
    if updated:
        return [
            Heading("How far to trust a patient's interval"),
            Text(
                "The interval of an updated model is another one than that of a model as it was trained: it adds how "
                "far sites may differ, less what these courses say of it. On two simulated truths and four kinds of "
                f"sites it held the true probability in {UPDATED_COVERAGE} of new courses at 24 h "
                "(`benchmarks/updating.py`); on real patients that cannot be measured."
            ),
        ]
    measured = interval_coverage()
    rows = [
        [row["truth"], str(row["courses"]), *(number(row[name]) for name in ("overall", *_THIRDS, "width", "score"))]
        for row in measured["rows"]
    ]
    header = [
        "simulated truth",
        "training courses",
        "overall",
        "lowest third",
        "middle third",
        "highest third",
        "width",
        "interval score",
    ]
    return [
        Heading("How far to trust a patient's interval"),
        Text(
            "Each probability comes with a 90% interval for the true probability given the model's inputs. On "
            f"simulated courses with a known truth ({measured['repetitions']} repetitions, at {measured['landmark']} "
            "only, active arm, as `train` does by default) it held the truth in these shares of courses, overall and "
            "by third of the true probability. " + _goal_in_words(measured["rows"]) + " Interval score: width plus "
            "20 times how far the truth lies outside; less is better."
        ),
        Table("Coverage of the 90% interval", header, rows),
        Text(f"Measured by `{measured['command']}`; on real patients it cannot be measured."),
    ]


def _goal_in_words(rows: list[dict[str, Any]]) -> str:
    overall, third = COVERAGE_GOALS
    missed = [
        f"{row['truth']} with {row['courses']} courses"
        for row in rows
        if row["overall"] < overall or any(row[name] is not None and row[name] < third for name in _THIRDS)
    ]
    goal = f"The goal was {overall:g} overall and {third:g} in each third: "
    goal += f"missed by {'; '.join(missed)}. " if missed else "met in every row. "
    wide = [row["overall"] for row in rows if row["overall"] > INTERVAL_LEVEL]
    return (
        goal
        + f"In {len(wide)} of {len(rows)} rows it covers more than it claims: it is too wide rather than too narrow."
    )


@lru_cache
def interval_coverage() -> dict[str, Any]:
    """Return the measured coverage that the benchmark has written."""
    path = resources.files("ketapredict") / "data" / "interval-coverage.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found
