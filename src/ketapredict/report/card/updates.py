"""How a model was updated: from which parent, by which method, with which numbers."""

from ketapredict.report.card.facts import CardFacts, number
from ketapredict.report.card.page import Block, Section, Table, Text


def updates(facts: CardFacts) -> Section:
    """The parent and the choice of each landmark."""
    parent = facts.model.bundle.provenance["updated_from"]
    blocks: list[Block] = [
        Text(
            f"Updated from the model `{parent['model_sha256']}`, trained on {parent['trained_on']} courses; SHA-256 of "
            f"its data `{parent['provenance']['data_sha256']}`. New log-odds = intercept + slope × the parent's + "
            "moved coefficients. The figures of this page are of the new courses, the choice cross-validated with "
            "the rest."
        )
    ]
    rows = []
    for landmark, found in facts.updates.items():
        chosen = found["cross_validation"]["share_chosen"][found["method"]]
        numbers = [number(found[name], 3) for name in ("intercept", "slope")]
        penalty = number(found["penalty"], 3) if found["penalty"] else "none"
        rows.append([landmark, found["method"], *numbers, penalty, f"{chosen:.0%}"])
    header = ["landmark", "method", "intercept", "slope", "penalty of moved coefficients", "chosen in folds"]
    blocks.append(Table("What was chosen with all courses", header, rows))
    rows = [
        [landmark, method, f"{above['difference']:.4f}", f"{above['standard_error']:.4f}"]
        for landmark, found in facts.updates.items()
        for method, above in found["log_loss_above_best"].items()
    ]
    header = ["landmark", "candidate", "log-loss above the best", "paired standard error"]
    blocks.append(Table("The candidates; the simplest within one standard error of the best is chosen", header, rows))
    if facts.refused:
        blocks.append(Text("Left as they were: " + " ".join(facts.refused.values())))
    return Section("updates", "How it was updated", blocks)
