"""What the card of an updated model says of the choice, and where the checklist finds it."""

from dataclasses import replace

import pytest

from ketapredict.report.card.card import model_card
from ketapredict.report.card.evidence import evidence
from ketapredict.report.card.page import Table
from ketapredict.report.card.reporting import audit, tripod
from ketapredict.report.card.stability import stability
from ketapredict.report.card.updates import updates


@pytest.fixture(scope="module")
def updated(facts):
    """The same model, said to be an update: left as it is at one landmark, refitted at the other."""
    bundle = facts.model.bundle
    parent = {"model_sha256": "f" * 64, "trained_on": "simulated", "provenance": bundle.provenance}
    model = type(facts.model)(replace(bundle, provenance=bundle.provenance | {"updated_from": parent}))
    numbers = {"intercept": 0.25, "slope": 0.9, "spread": 0.0, "log_loss_above_best": {}}
    chosen = [("intercept", 0.0, 0.3), ("shrunken refit", 7.5, 0.9)]
    found = {
        landmark: numbers
        | {"method": method, "penalty": penalty, "cross_validation": {"share_chosen": {method: share}}}
        for landmark, (method, penalty, share) in zip(facts.model.landmarks, chosen, strict=True)
    }
    return replace(facts, model=model, updates=found)


def test_where_there_is_no_penalty_there_is_none(updated):
    table = next(block for block in updates(updated).blocks if isinstance(block, Table))
    assert [row[4] for row in table.rows] == ["none", "7.500"]
    assert [row[5] for row in table.rows] == ["30%", "90%"]


def test_the_checklist_leads_to_the_section_on_updating_where_there_is_one(updated, facts):
    def linked(of):
        rows = tripod(of, [updates(of)] if of.updates else []).blocks[1].rows
        return next(row[3] for row in rows if row[0] == "24")

    assert "(#updates)" in linked(updated)
    assert "(#updates)" not in linked(facts)
    html = model_card(updated).html
    assert 'href="#updates"' in html
    assert '<section id="updates">' in html


def test_where_the_model_came_from_is_looked_for_in_its_parents(updated, facts):
    told = updates_prior(updated)
    assert "without a prior" not in told or not facts.model.bundle.provenance["prior"]["used"]
    with_prior = {"used": True, "sha256": "a" * 64, "trials": {}}
    parent = facts.model.bundle.provenance | {"prior": with_prior}
    for _ in range(2):
        above = {"model_sha256": "f" * 64, "trained_on": "simulated", "provenance": parent}
        parent = {name: value for name, value in parent.items() if name != "prior"} | {"updated_from": above}
    bundle = replace(facts.model.bundle, provenance=parent)
    assert "started from the evidence prior (SHA-256 `aaaaaaaaaaaa" in updates_prior(
        replace(updated, model=type(facts.model)(bundle))
    )


def updates_prior(facts) -> str:
    return " ".join(block.text for block in evidence(facts).blocks)


def test_the_coverage_that_is_shown_is_that_of_updated_models(updated, facts):
    def words(of) -> str:
        return " ".join(str(block) for block in stability(of).blocks)

    assert "interval of an updated model is another one" in words(updated)
    assert "Coverage of the 90% interval" not in words(updated)
    assert "Coverage of the 90% interval" in words(facts)


def test_the_audit_says_what_an_update_does(updated):
    rows = {row[1]: row[2] for row in audit(updated).blocks[1].rows}
    assert "choice of the update" in rows["is everything repeated inside the resampling?"]
