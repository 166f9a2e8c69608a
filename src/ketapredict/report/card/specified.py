"""The full specification, and an invented patient whose probability a reader can compute by hand."""

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import PRE
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.features.design import Feature, design_frame
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.report.card.facts import CardFacts, number
from ketapredict.report.card.page import Block, Folded, Heading, Points, Section, Table, Text
from ketapredict.report.specification import coefficient_table, tree_table, worked_example
from ketapredict.validate.small_groups import FEWEST_SHOWN

_RULES = {
    "value": "the column itself",
    "log1p": "log(1 + column)",
    "item_share": "item / its highest value",
    "relative_score": "score / the scale's highest total",
    "early_improvement": "1 - score / baseline",
    "outcome_threshold": "highest end score that counts as the outcome / the scale's highest total",
}


def specification(facts: CardFacts) -> Section:
    """Every number that a prediction is made of, and how."""
    model = facts.model
    blocks: list[Block] = [
        Text(
            "Log-odds = start + sum of coefficient × (value − mean) over the design columns + one entry of each tree "
            "table; probability = 1 / (1 + exp(−log-odds)). All numbers are below and, unrounded, in "
            "`coefficients.csv`, `trees.csv` and the bundle's `model.json`."
        ),
        Points(
            [
                "A design column of kind `value` is the feature, a missing one replaced by `fill`; `missing` is 1 "
                "where the feature is missing, else 0.",
                "A column of kind `curve` with knots k and index j is the sum of the quadratic B-splines number j and "
                "above (from 0) over the knots, continued on both sides by two knots at the outer spacing; outside "
                "the outer knots it goes on as a straight line. It rises from 0 to 1.",
                "A tree table is read at single precision; from ≤ value < to. A missing feature has a row of its own.",
                "A coefficient of early improvement or of its curves is never negative, and trees are monotone in it: "
                "a better latest early score never lowers the probability.",
            ]
        ),
    ]
    example = plausible_example(facts.cohort)
    for landmark in model.bundle.landmarks:
        blocks += _landmark(facts, landmark, example)
    return Section("specification", "Appendix: full specification and a worked example", blocks)


def plausible_example(cohort: Cohort) -> pd.DataFrame:
    """Return one course that nobody had: rounded means of the training courses, the first level of everything else."""
    names = declared_columns(cohort.protocol, cohort.extras)
    course: dict[str, object] = {}
    for name, column in names.items():
        values = cohort.table[name]
        if column.kind in ("number", "score"):
            known = values.dropna().to_numpy(float)
            if len(known) >= FEWEST_SHOWN:
                digits = 0 if column.resolution >= 1 or column.kind == "score" else 1
                course[name] = float(np.round(known.mean(), digits))
        elif column.kind == "yes_no":
            course[name] = "no"
        elif column.kind == "level":
            course[name] = column.levels[0]
    course |= {"course_id": "simulated-example", "patient_id": "simulated-example"}
    course["scale"] = str(cohort.table["scale"].iloc[0])
    if "arm" in names:
        course["arm"] = cohort.protocol.active_treatment
    return pd.DataFrame([course])


def _landmark(facts: CardFacts, model: LandmarkModel, example: pd.DataFrame) -> list[Block]:
    coefficients = coefficient_table([model])
    shown = coefficients[coefficients["coefficient"] != 0]
    zero = len(coefficients) - len(shown)
    rows = [
        [
            row.column,
            row.kind,
            row.feature,
            f"{row.fill:.6g}",
            f"{row.mean:.6g}",
            f"{row.coefficient:+.6g}",
            f"{row.index}: {' '.join(f'{float(knot):.6g}' for knot in row.knots.split())}"
            if row.kind == "curve"
            else "",
        ]
        for row in shown.itertuples()
    ]
    header = ["column", "kind", "feature", "fill", "mean", "coefficient", "curve's index: knots"]
    trees = tree_table([model])
    members = [
        [
            member.name,
            number(member.weight),
            ", ".join(f"{name} {value:.4g}" for name, value in member.settings.items()),
        ]
        for member in model.members
    ]
    blocks: list[Block] = [
        Heading(f"{model.landmark}: start {model.base_logit:+.6f}"),
        Table("Members of the committee", ["member", "weight", "chosen by resampling"], members),
        Table(
            f"Features at {model.landmark}",
            ["feature", "from columns", "rule", "concept"],
            [[f.name, ", ".join(f.columns), _rule(f), f.concept] for f in model.features],
            folded=True,
        ),
        Table(f"Coefficients at {model.landmark} ({zero} more are 0)", header, rows, folded=True),
    ]
    if len(trees):
        summary = f"All {trees['table'].nunique()} tree tables at {model.landmark}, {len(trees)} rows, weight included"
        text = trees.drop(columns="landmark").to_csv(index=False, float_format="%.6g")
        blocks.append(Folded(summary, text, "trees.csv"))
    return blocks + _example(facts, model, example)


def _example(facts: CardFacts, model: LandmarkModel, example: pd.DataFrame) -> list[Block]:
    bundle = facts.model.bundle
    if "score_baseline" not in example:
        return [Text(f"No example: fewer than {FEWEST_SHOWN} courses have a baseline to take the mean of.")]
    course = cohort_from_frame(example, bundle.protocol, extras=bundle.extras)
    if not len(course) or (model.landmark != PRE and course.table[f"score_{model.landmark}"].isna().any()):
        return [Text("No example: the means of the training courses break a rule of the cohort table.")]
    frame = design_frame(course, model.features, bundle.outcome)
    terms = worked_example(model, frame)
    total = float(terms["log_odds"].sum())
    inputs = [[f.name, f.label, number(float(frame[f.name].iloc[0]), 4)] for f in model.features]
    rows = [
        [row.term, row.value, number(row.mean, 6), number(row.coefficient, 6), f"{row.log_odds:+.6f}"]
        for row in terms.itertuples()
    ]
    rows.append(["log-odds, the sum", "", "", "", f"{total:+.6f}"])
    rows.append(["probability, 1 / (1 + exp(−sum))", "", "", "", f"{expit(total):.4f}"])
    header = ["term", "value", "mean", "coefficient", "coefficient × (value − mean), or looked up"]
    return [
        Text(
            f"An invented patient at {model.landmark}, made of rounded means of the training courses: probability "
            f"{expit(total):.4f}."
        ),
        Table("The invented patient's features", ["feature", "what it is", "value"], inputs, folded=True),
        # On paper one landmark shows the way; the others are many pages more of the same.
        Table(f"Step by step at {model.landmark}", header, rows, folded=True, printed=model is bundle.landmarks[0]),
    ]


def _short(knots: str) -> str:
    return " ".join(f"{float(knot):.6g}" for knot in knots.split())


def _rule(feature: Feature) -> str:
    if feature.rule == "level":
        return f"1 where the column is {feature.level}, else 0"
    if feature.rule == "improvement_per_day":
        return f"difference of the two early improvements / {feature.days:g} days"
    return _RULES.get(feature.rule, feature.rule)
