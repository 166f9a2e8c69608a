"""TRIPOD+AI, item by item, and a self-audit after PROBAST+AI: filled from the run, gaps said."""

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from ketapredict.report.card.facts import CardFacts, interval, number
from ketapredict.report.card.page import Points, Section, Table, Text
from ketapredict.report.words import OUTCOME_WORDS
from ketapredict.validate.cross_validation import MODEL, N_FOLDS

# A floor, of evaluations too: fewer of either class are few.
MANY_EVENTS = 100


@lru_cache
def tripod_items() -> dict[str, Any]:
    """Return the 27 items: topic, where this page shows them, what a human must write."""
    path = resources.files("ketapredict") / "data" / "reporting" / "tripod-ai.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def tripod(facts: CardFacts, sections: Sequence[Section]) -> Section:
    """The checklist, with links to the parts of this page and what the run says."""
    titles = {section.name: section.title for section in sections}
    items = tripod_items()
    told = _from_the_run(facts)
    rows = []
    for item in items["items"]:
        links = "; ".join(f"[{titles[name]}](#{name})" for name in item["shown"] if name in titles)
        rows.append([item["item"], item["topic"], told.get(item["item"], ""), links, item["human"]])
    missing = sum(bool(item["human"]) for item in items["items"])
    header = ["item", "topic", "from this run", "shown under", "a human must still write"]
    return Section(
        "tripod",
        "TRIPOD+AI checklist",
        [
            Text(
                f"{items['source']} {missing} of 27 items need words that no program can know; they are listed as such."
            ),
            Table("The 27 items", header, rows),
        ],
    )


def audit(facts: CardFacts) -> Section:
    """What would make a methodologist call the risk of bias high, judged from the run."""
    rows = []
    for domain, question, answer, risk in _questions(facts):
        rows.append([domain, question, answer, risk])
    return Section(
        "audit",
        "Risk of bias, audited by the program",
        [
            Text(
                "After the four domains of PROBAST+AI (Moons et al., BMJ 2025, PMID 40127903) and the triggers of high "
                "risk, in our own words: not the official form, and no substitute for two human assessors."
            ),
            Table("Self-audit", ["domain", "question", "what the run shows", "risk of bias"], rows),
            Points(
                [
                    "Unknown to the program: how patients were chosen, whether treatment was changed during the "
                    "course, whether raters knew the arm (raters and patients of ketamine trials usually can tell).",
                ]
            ),
        ],
    )


def _from_the_run(facts: CardFacts) -> dict[str, str]:
    bundle = facts.model.bundle
    counts = facts.cohort.counts
    kind = "SIMULATED courses" if bundle.trained_on == "simulated" else "courses of one table"
    first = facts.studies[0].validation
    weighted = bundle.provenance.get("weights") == "completion"
    return {
        "1": f"development and internal validation; {bundle.outcome}; {bundle.protocol.treatment_words}; {kind}",
        "5": f"{counts.source_rows} rows, SHA-256 {bundle.provenance['data_sha256'][:12]}…; {kind}",
        "6": "active treatment only" if not bundle.with_arm else "all arms",
        "7": "one preparation for all, fitted inside each fold",
        "8": f"{OUTCOME_WORDS[bundle.outcome]}, at {bundle.protocol.outcome}, on its native scale",
        "9": "declared with the time from which they are known; later ones cannot enter (a structural refusal)",
        "10": _sample_size(facts),
        "11": "mean imputation with indicators of missingness, inside each fold; "
        + ("weights for missing outcomes" if weighted else "missing outcomes left out, weights shown beside"),
        "12": f"{facts.effort.words}; patients never split; sites left out in turn where there are two",
        "13": "no resampling of classes, no reweighting by class",
        "14": "diagnosis, sex, age, site, severity",
        "15": "a probability with a 90% interval; no threshold is built in",
        "20": f"{counts.accepted} courses accepted, {counts.rejected} rejected",
        "21": "; ".join(f"{v.landmark}: {v.events} of {v.courses}" for v in (s.validation for s in facts.studies)),
        "22": "every coefficient, knot and tree table, with a worked example",
        "23": f"95% intervals; {first.n_repeats} x {N_FOLDS}-fold",
        "24": "updated from another model" if "updated_from" in bundle.provenance else "not updated",
        "27": "missing inputs are allowed and named; inputs outside the training range are flagged",
    }


def _sample_size(facts: CardFacts) -> str:
    if facts.updates:
        return "an update: few numbers are fitted, as many as the events allow"
    return "; ".join(s for study in facts.studies for s in study.statements if "parameter" in s)


def _enough(facts: CardFacts, events: int) -> tuple[str, str]:
    told = f"the rarer class has {events} courses at the smallest landmark"
    if facts.updates:
        return f"{told}; few numbers are fitted", "low" if events >= MANY_EVENTS else "high"
    short = [study.landmark for study in facts.studies if not study.assessment.enough]
    riley = f"Riley's criteria are not met at {', '.join(short)}" if short else "Riley's criteria are met"
    return f"{told}; {riley} (under stability)", "low" if events >= MANY_EVENTS and not short else "high"


def _questions(facts: CardFacts) -> list[tuple[str, str, str, str]]:
    bundle = facts.model.bundle
    studies = facts.studies
    simulated = bundle.trained_on != "real"
    events = min(min(s.validation.events, s.validation.courses - s.validation.events) for s in studies)
    dropped = max(
        (len(s.tables["missing_outcomes"]) > 0 for s in studies if "missing_outcomes" in s.tables), default=False
    )
    leaks = [w for s in studies for w in s.warnings if "LEAKAGE" in w]
    sites = any(s.sites is not None and len(s.sites.sites) > 1 for s in studies)
    coupled = {
        s.landmark: s.tables["coupling"].query("score == 'model' and measure == 'auc'").iloc[0]
        for s in studies
        if s.landmark != "pre" and len(s.tables["coupling"].query("score == 'model' and measure == 'auc'"))
    }
    gain = "; ".join(f"{at}: AUC {number(r.observed)} against {number(r.null)}" for at, r in coupled.items())
    slopes = {s.landmark: s.validation.measures[MODEL].get("calibration_slope") for s in studies}
    told = "; ".join(f"{at}: {interval(m.estimate, m.low, m.high)}" for at, m in slopes.items() if m is not None)
    return [
        ("participants", "are the courses those of real, representative patients?",
         "simulated courses" if simulated else "one table; how it was drawn is not known to the program",
         "high" if simulated else "unclear"),
        ("participants", "was every row accounted for?",
         f"{facts.cohort.counts.rejected} of {facts.cohort.counts.courses} courses rejected, with reasons", "low"),
        ("predictors", "is every predictor known at the time of prediction?",
         "refused structurally; figures too good to be true: " + ("; ".join(leaks) or "none"),
         "high" if leaks else "low"),
        ("outcome", "is the outcome independent of the predictors?",
         f"early and late change share the baseline; beside the null of that coupling: {gain or 'no early score'}",
         "unclear" if coupled else "low"),
        ("outcome", "was it determined in the same way for all?",
         f"one definition, {bundle.outcome} on the native scale; blinding not known to the program", "unclear"),
        ("analysis", "are there enough events?", *_enough(facts, events)),
        ("analysis", "are courses without an outcome dealt with?",
         "left out; compared with the others and weighted for, under data" if dropped else "fewer than five, or none",
         "unclear" if dropped else "low"),
        ("analysis", "were predictors chosen by their association with the outcome beforehand?",
         "no: those of the model that was updated" if facts.updates else "no: all declared enter, shrunken", "low"),
        ("analysis", "is everything repeated inside the resampling?",
         "the choice of the update and its numbers: yes; the model that is updated met none of these courses"
         if facts.updates else "imputation, curves, penalties, weights: yes", "low"),
        ("analysis", "is calibration assessed?", f"slope {told or 'not estimable'}", "low" if told else "unclear"),
        ("analysis", "is clustering by patient and site respected?",
         "patients never split between folds; sites "
         + ("left out in turn (standard errors of a site's figures take its courses as independent)"
            if sites else "could not be left out"),
         "low" if sites else "unclear"),
        ("analysis", "is the apparent performance corrected?",
         f"out of fold, {facts.effort.words}", "low"),
    ]  # fmt: skip
