"""A run of `monitor` as a table and as a page in the style of the model card."""

import numpy as np
import pandas as pd

from ketapredict.drift.figures import estimates_figure, shares_figure
from ketapredict.drift.monitoring import ALARM_LEVEL, LEAST_SHARE, Comparison, Monitoring
from ketapredict.drift.two_sample import N_DIVISIONS
from ketapredict.explain.words import moment_words
from ketapredict.report.card.page import Block, Figure, Points, Section, Table, Text, to_html
from ketapredict.validate.intervals import Interval

_HEADER = (
    "landmark", "what", "training", "new", "share concerned", "PSI", "new is higher", "p", "p adjusted", "alarm",
)  # fmt: skip


def comparison_table(found: Monitoring) -> pd.DataFrame:
    """Return the comparisons as texts, the most certain first; the columns are those of the page."""
    ordered = sorted(found.comparisons, key=lambda comparison: comparison.p_value)
    return pd.DataFrame([_row(comparison) for comparison in ordered], columns=list(_HEADER))


def outcome_table(found: Monitoring) -> pd.DataFrame:
    """Return calibration at each landmark as texts; empty without outcomes."""
    rows = [
        (
            landmark,
            str(seen.courses),
            str(seen.events),
            f"{seen.expected:.1f}",
            _interval(seen.ratio),
            _interval(seen.intercept),
            _interval(seen.slope),
        )
        for landmark, seen in found.outcomes.items()
    ]
    header = ["landmark", "courses", "events", "expected", "observed / expected", "in the large", "slope"]
    return pd.DataFrame(rows, columns=header)


def to_page(found: Monitoring) -> str:
    """Return one self-contained HTML page."""
    table = comparison_table(found)
    said = [comparison.words + "." for comparison in found.alarms]
    verdict = Points(said, warning=True) if said else Text("No alarm: nothing differs more than chance would have it.")
    blocks: list[Block] = [verdict, Text(f"{found.courses} new courses. {len(found.comparisons)} comparisons.")]
    if found.notes:
        blocks.append(Points([f"{note}." for note in found.notes]))
    sections = [Section("verdict", "What differs", blocks)]
    sections += [
        Section(f"figures-{landmark}", f"Landmark {moment_words(landmark)}", _figures(found, landmark))
        for landmark in found.estimates
    ]
    sections.append(Section("comparisons", "All comparisons", [_table("Most certain first.", table)]))
    if found.outcomes:
        caption = "Outcomes that have arrived; 95% intervals."
        sections.append(Section("outcomes", "Calibration", [_table(caption, outcome_table(found))]))
    sections.append(Section("how", "How it is judged", [Text(text) for text in HOW]))
    return to_html(found.statement, f"Drift: {found.model_name} {found.model_version}", sections)


def _figures(found: Monitoring, landmark: str) -> list[Block]:
    comparisons = [comparison for comparison in found.comparisons if comparison.landmark == landmark]
    return [
        Figure(
            f"drift-{landmark}",
            shares_figure(found.statement, landmark, comparisons),
            "Share of the new courses that each comparison concerns.",
        ),
        Figure(
            f"estimates-{landmark}",
            estimates_figure(found.statement, landmark, found.estimates[landmark]),
            "Distribution of the estimates, in training and of the new courses.",
        ),
    ]


HOW = (
    f"An alarm needs two things: an adjusted p-value under {ALARM_LEVEL:g}, and a difference that concerns at least "
    f"{LEAST_SHARE:.0%} of the courses.",
    "Holm's method adjusts over all comparisons of the run: if nothing drifted, the chance of any alarm is at most 5%, "
    "however the inputs depend on each other. A run is one yes or no, so it is this chance that counts, not the share "
    "of false ones among many alarms. Each further run has its own.",
    "Numbers, yes/no and estimates are compared by the Anderson-Darling statistic over the bins that the model stores, "
    f"levels by chi-square, each against up to {N_DIVISIONS:,} random divisions of all courses into samples of the "
    "same sizes: right for any number of courses. Shares are compared by Fisher's exact test.",
    "Courses out of scope are compared with training courses out of the scope that the others draw.",
    "Calibration in the large: the number of outcomes against draws from the estimates, with the uncertainty that the "
    "number of training courses leaves about their level.",
    "PSI, the population stability index, is shown because it is known; what it is by chance depends on size and bins, "
    "so no cut-off is applied to it.",
    "Where fewer than five training courses lacked an input, the model does not say how many: the number that speaks "
    "least for drift is taken.",
)


def _row(found: Comparison) -> tuple[str, ...]:
    signed = found.kind not in ("input", "estimates")
    return (
        found.landmark,
        f"{found.label}, missing" if found.kind == "missing" else found.label,
        str(found.training),
        str(found.new),
        f"{found.share:+.0%}" if signed else f"{found.share:.0%}",
        _number(found.stability_index),
        _number(found.higher),
        f"{found.p_value:.2g}",
        f"{found.adjusted_p_value:.2g}",
        "alarm" if found.alarm else "",
    )


def _table(caption: str, table: pd.DataFrame) -> Table:
    return Table(caption, [str(name) for name in table.columns], table.to_numpy().tolist())


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"


def _interval(found: Interval) -> str:
    return "too few" if np.isnan(found.estimate) else f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})"
