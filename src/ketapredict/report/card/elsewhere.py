"""How the model did on courses that it has not met."""

from ketapredict.report.card.facts import CardFacts, interval
from ketapredict.report.card.page import Block, Points, Section, Table
from ketapredict.validate.measures import MEASURES
from ketapredict.validate.tables import OBSERVED_OVER_EXPECTED


def elsewhere(facts: CardFacts) -> Section:
    """One table for each cohort."""
    labels = {name: measure.label for name, measure in MEASURES.items()}
    labels[OBSERVED_OVER_EXPECTED] = "observed / expected"
    blocks: list[Block] = []
    for words, found in facts.tried_on:
        rows = [
            [
                row.landmark,
                row.predictor,
                f"{row.events} of {row.courses}",
                labels[row.measure],
                interval(row.estimate, row.low, row.high, 3),
            ]
            for row in found.table.itertuples()
        ]
        header = ["landmark", "predictor", "events of courses", "measure", "estimate (95% interval)"]
        blocks.append(Table(words, header, rows))
        if found.notes:
            blocks.append(Points([f"{note}." for note in found.notes]))
    return Section("elsewhere", "On courses that it has not met", blocks)
