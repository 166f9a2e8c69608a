"""What a model was trained on: counts that add up, who the patients are, what is missing."""

from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.model.training_rows import reached
from ketapredict.report.card.facts import CardFacts, number
from ketapredict.report.card.page import Block, Heading, Section, Table, Text
from ketapredict.report.characteristics import characteristics
from ketapredict.validate.measures import MEASURES


def data(facts: CardFacts) -> Section:
    """Data flow, characteristics, missing outcomes."""
    blocks: list[Block] = [_flow(facts), Heading("Who they are")]
    table = characteristics(facts.cohort, facts.model.bundle.outcome)
    header = ["characteristic", "all", "with the outcome", "without", "not recorded"]
    caption = "Courses with a known outcome: mean (SD) or number (%); groups under five are not told"
    blocks.append(Table(caption, header, table.to_numpy(str).tolist()))
    blocks += _missing(facts)
    return Section("data", "Data", blocks)


def _flow(facts: CardFacts) -> Table:
    counts = facts.cohort.counts
    outcome = facts.model.bundle.outcome
    labels = outcome_labels(facts.cohort, outcome)
    rows = [
        ["rows of the source", str(counts.source_rows)],
        ["… used / filtered / unmatched", f"{counts.used} / {counts.filtered} / {counts.unmatched}"],
        ["courses", str(counts.courses)],
        ["… accepted / rejected by the rules", f"{counts.accepted} / {counts.rejected}"],
        ["… of the arms trained on", str(len(facts.cohort))],
    ]
    for model, study in facts.by_landmark:
        found = study.validation
        at = reached(facts.cohort, model.landmark, outcome)
        known = int((labels[at] == labels[at]).sum())
        missing = int(at.sum()) - known
        text = f"{int(at.sum())} = {known} with the outcome known ({found.events} events) + {missing} without"
        rows.append([f"at {model.landmark}: with its score, part of the analysis", text])
        rows.append([f"at {model.landmark}: analysed, patients", f"{found.courses} courses of {found.patients}"])
    return Table("The way of the data", ["", "number"], rows)


def _missing(facts: CardFacts) -> list[Block]:
    blocks: list[Block] = [Heading("Missing outcomes")]
    for study in facts.studies:
        if "missing_outcomes" not in study.tables:
            continue
        table = study.tables["missing_outcomes"].head(8)
        rows = [
            [row.characteristic, number(row.completers), number(row.others), number(row.smd)]
            for row in table.itertuples()
        ]
        caption = f"At {study.landmark}: who has no outcome, largest differences first (shares; counts as log(1 + x))"
        blocks.append(Table(caption, ["characteristic", "outcome known", "not known", "standardised difference"], rows))
        weighted = study.tables["weighted_measures"]
        rows = [
            [MEASURES[row.measure].label, number(row.estimate, 3), number(row.weighted, 3), f"{row.change:+.3f}"]
            for row in weighted.itertuples()
        ]
        caption = f"At {study.landmark}: what weighting by the inverse probability of completion changes"
        blocks.append(Table(caption, ["measure", "as it is", "weighted", "change"], rows))
    if len(blocks) == 1:
        blocks.append(Text("Fewer than five courses have no outcome at any landmark: there is nothing to compare."))
    return blocks
