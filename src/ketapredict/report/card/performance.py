"""How good the predictions are: discrimination, calibration, use, subgroups, sites."""

import pandas as pd

from ketapredict.explain.words import moment_words
from ketapredict.report.card.facts import CardFacts, interval, number
from ketapredict.report.card.page import Block, Figure, Heading, Points, Section, Table, Text
from ketapredict.report.figures.calibration import calibration_figure
from ketapredict.report.figures.decision import decision_figure
from ketapredict.report.figures.sites import site_figure
from ketapredict.report.figures.subgroups import subgroup_figure
from ketapredict.validate.by_site import FEWEST_COURSES
from ketapredict.validate.cross_validation import MODEL, PREVALENCE
from ketapredict.validate.measures import MEASURES
from ketapredict.validate.small_groups import UNDER
from ketapredict.validate.study import LandmarkStudy

_DISTANCES = {
    "ici": "ICI (mean distance from perfect)",
    "e50": "E50 (median)",
    "e90": "E90 (90th percentile)",
    "emax": "Emax (largest)",
}


def performance(facts: CardFacts) -> Section:
    """Measures with intervals, landmark by landmark."""
    blocks: list[Block] = [
        Text(
            "All figures are out of fold: each course is predicted by fits that saw neither it nor another course of "
            "the same patient, and every choice (imputation, curves, penalties, weights) is made again inside each "
            "fold. Intervals are 95% percentiles of a bootstrap over patients unless another method is named."
        )
    ]
    for _, study in facts.by_landmark:
        blocks += [Heading(f"{study.landmark}: {moment_words(study.landmark)}"), _measures(study)]
        if "optimism" in study.tables:
            blocks.append(_optimism(study))
        blocks.append(_coupling(study))
    return Section("performance", "Performance", blocks)


def calibration(facts: CardFacts) -> Section:
    """Flexible calibration curves and their distances."""
    blocks: list[Block] = [
        Text(
            "Of 100 patients with a predicted probability of 0.6, 60 should have the outcome. The curve shows what was "
            "observed, smoothed; dots are fifths of the courses. A distance cannot be negative, so a resample's lies "
            "above the sample's own where calibration is good, and an estimate may lie under its interval: hold it "
            "against what a perfect model would show."
        )
    ]
    for _, study in facts.by_landmark:
        labels, predictions = study.validation.labels, study.validation.predictions[MODEL]
        curve = study.tables.get("calibration_curve")
        svg = calibration_figure(facts.statement, study.landmark, labels, predictions, curve)
        caption = f"Calibration at {study.landmark}, out of fold, with 95% bands."
        blocks.append(Figure(f"calibration-{study.landmark}", svg, caption))
        if "calibration_distances" in study.tables:
            rows = [
                [
                    _DISTANCES.get(row.distance, row.distance),
                    interval(row.estimate, row.low, row.high, 3),
                    f"{number(row.median_if_calibrated, 3)} / {number(row.p95_if_calibrated, 3)}",
                ]
                for row in study.tables["calibration_distances"].itertuples()
            ]
            header = ["distance", "found", "median / 95th percentile if the model were perfect"]
            blocks.append(Table(f"Distance of the curve from perfect at {study.landmark}", header, rows))
    return Section("calibration", "Calibration", blocks)


def usefulness(facts: CardFacts) -> Section:
    """Decision curves and thresholds."""
    blocks: list[Block] = [
        Text(
            "Net benefit counts true positives and takes off false positives at the exchange rate that the threshold "
            "stands for (Vickers and Elkin 2006, doi:10.1177/0272989X06295361). Net benefit per 100 patients means: so "
            "many more responders found, at no more false alarms."
        )
    ]
    for _, study in facts.by_landmark:
        svg = decision_figure(facts.statement, study.landmark, study.tables["decision_curve"])
        caption = (
            f"Decision curve at {study.landmark}: the model beside treating all, treating none"
            + ("" if study.landmark == "pre" else " and the rule of at least 20% improvement")
            + "."
        )
        blocks.append(Figure(f"decision-{study.landmark}", svg, caption))
        table = study.tables["thresholds"]
        rows = [
            [
                row.decision,
                row.measure,
                f"{row.numerator:g}/{row.denominator:g}",
                interval(row.estimate, row.low, row.high),
                row.method,
            ]
            for row in table.itertuples()
        ]
        caption = f"Sensitivity, specificity and predictive values at stated thresholds, {study.landmark}"
        blocks.append(Table(caption, ["decision", "measure", "count", "estimate", "interval by"], rows, folded=True))
    return Section("usefulness", "Clinical usefulness", blocks)


def subgroups(facts: CardFacts) -> Section:
    """Diagnosis, sex, age, site, severity."""
    blocks: list[Block] = [
        Text(
            "Where a subgroup is too small to say, the figures stand with that warning. Whether one is certainly "
            "miscalibrated is judged over all subgroups together (5% shared between them)."
        )
    ]
    for _, study in facts.by_landmark:
        table = study.tables["subgroups"]
        if not len(table):
            blocks.append(Text(f"{study.landmark}: no variable divides the courses."))
            continue
        svg = subgroup_figure(facts.statement, study.landmark, table)
        blocks.append(Figure(f"subgroups-{study.landmark}", svg, f"Observed over expected at {study.landmark}."))
        wide: dict[tuple[str, str], list[str]] = {}
        for row in table.itertuples():
            sizes = [_told(row.courses, UNDER), _told(row.events, "not told")]
            line = wide.setdefault((row.variable, row.level), [row.variable, row.level, *sizes])
            line.append(interval(row.estimate, row.low, row.high))
        for row in table.drop_duplicates(["variable", "level"]).itertuples():
            told = "certainly miscalibrated" if row.certainly_miscalibrated else row.warning
            wide[row.variable, row.level].append(told or "")
        header = ["variable", "level", "courses", "events", "AUC", "calibration in the large", "observed / expected"]
        caption = f"Subgroups at {study.landmark}, with 95% intervals"
        blocks.append(Table(caption, [*header, "to be known"], list(wide.values()), folded=True))
    return Section("subgroups", "Subgroups (fairness)", blocks)


def sites(facts: CardFacts) -> Section:
    """Internal-external validation."""
    blocks: list[Block] = []
    rule = Text(
        f"A site with at least {FEWEST_COURSES} courses has figures of its own, however its courses ended; smaller "
        "sites are measured together."
    )
    for _, study in facts.by_landmark:
        if study.sites is None:
            continue
        if study.sites.notes:
            blocks.append(Points([f"{study.landmark}: {note}." for note in study.sites.notes]))
        if not len(study.sites.sites):
            continue
        svg = site_figure(facts.statement, study.landmark, study.sites.sites, study.sites.pooled)
        caption = f"Each site predicted at {study.landmark} by a model fitted to the others."
        blocks.append(Figure(f"sites-{study.landmark}", svg, caption))
        rows = [
            [
                _label(row.measure),
                interval(row.estimate, row.low, row.high),
                str(row.sites),
                number(row.tau),
                f"{number(row.prediction_low)} to {number(row.prediction_high)}",
            ]
            for row in study.sites.pooled.itertuples()
        ]
        header = ["measure", "pooled, 95% interval", "sites", "tau", "95% prediction interval for a new site"]
        blocks.append(Table(f"Random-effects pooling (REML, Hartung-Knapp) at {study.landmark}", header, rows))
    if blocks:
        blocks.insert(0, rule)
    else:
        blocks = [Text("Not possible: fewer than two sites. How the model carries over to another site is not known.")]
    return Section("sites", "From site to site", blocks)


def _measures(study: LandmarkStudy) -> Table:
    validation = study.validation
    rows = []
    for predictor, measures in validation.measures.items():
        for name, m in measures.items():
            if predictor != MODEL and (name.startswith("calibration") or (predictor == PREVALENCE and name == "auc")):
                continue
            against = ""
            if predictor != MODEL and name in validation.differences[predictor]:
                d = validation.differences[predictor][name]
                against = interval(d.estimate, d.low, d.high, 3)
            rows.append([predictor, _label(name), interval(m.estimate, m.low, m.high, 3), against])
    caption = f"{validation.courses} courses of {validation.patients} patients, {validation.events} events"
    return Table(caption, ["predictor", "measure", "estimate, 95% interval", "model minus it, paired"], rows)


def _optimism(study: LandmarkStudy) -> Table:
    rows = [
        [
            _label(row.measure),
            number(row.apparent, 3),
            f"{row.optimism:+.3f}",
            interval(row.corrected, row.low, row.high, 3),
            number(row.out_of_sample, 3),
        ]
        for row in study.tables["optimism"].itertuples()
    ]
    caption = (
        f"Bootstrap optimism ({study.tables['optimism']['refits'].iloc[0]} refits; Harrell). Shown for comparison: "
        "with this committee the correction is too lenient, the cross-validation above leads"
    )
    return Table(caption, ["measure", "apparent", "optimism", "corrected", "out of sample"], rows, folded=True)


def _coupling(study: LandmarkStudy) -> Table:
    table: pd.DataFrame = study.tables["coupling"]
    rows = [
        [
            row.score,
            _label(row.measure),
            number(row.observed, 3),
            interval(row.null, row.null_low, row.null_high, 3),
            number(row.p_value, 3),
        ]
        for row in table.itertuples()
    ]
    caption = (
        "Beside the null from the shared baseline: end scores permuted within bands of the baseline (what percentage "
        "change would show even if early scores said nothing)"
    )
    return Table(caption, ["score", "measure", "observed", "null, 95% range", "p"], rows, folded=True)


def _label(measure: str) -> str:
    if measure in MEASURES:
        return MEASURES[measure].label
    return measure.replace("net_benefit_", "net benefit at ").replace("_", " ")


def _told(number: float, otherwise: str) -> str:
    return f"{number:g}" if number == number else otherwise
