"""The report of a training run as files: tables, pictures, the model's facts, the card."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ketapredict.model.bundle import MODEL_FILE
from ketapredict.report.card.card import model_card
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.contributions import concept_importance
from ketapredict.report.model_facts import model_facts
from ketapredict.report.specification import coefficient_table, tree_table
from ketapredict.validate.replicates import RESAMPLES_FILE
from ketapredict.validate.study import LandmarkStudy
from ketapredict.validate.tables import differences_table, measures_table
from ketapredict.whole_files import write_table

CARD = "model-card"


def write_report(folder: Path, facts: CardFacts) -> None:
    """Write every table as CSV, every picture as SVG, `training.json`, `model.md` and the model card.

    Nothing that is written holds a row of a patient.

    Parameters
    ----------
    folder : Path
        Exists.
    facts : CardFacts
    """
    model, studies = facts.model, facts.studies
    bundle = model.bundle

    def write(table: pd.DataFrame, name: str) -> None:
        table.assign(trained_on=bundle.trained_on).to_csv(folder / f"{name}.csv", index=False)

    if studies:
        write(measures_table(study.validation for study in studies), "measures")
        write(differences_table(study.validation for study in studies), "differences")
        resamples = pd.concat([study.resamples for study in studies], ignore_index=True)
        write_table(resamples, folder / RESAMPLES_FILE)
    write(pd.concat([concept_importance(m, facts.cohort, bundle.outcome) for m in bundle.landmarks]), "concepts")
    for name, table in _tables(studies).items():
        write(table, name.replace("_", "-"))
    write(coefficient_table(bundle.landmarks), "coefficients")
    write(tree_table(bundle.landmarks), "trees")
    (folder / "model.md").write_text(model_facts(model), "utf-8")
    card = model_card(facts)
    (folder / f"{CARD}.html").write_text(card.html, "utf-8")
    (folder / f"{CARD}.md").write_text(card.markdown, "utf-8")
    for name, svg in card.figures.items():
        (folder / f"{name}.svg").write_text(svg, "utf-8")
    (folder / "training.json").write_text(json.dumps(_facts(facts), indent=1) + "\n", "utf-8")


def _tables(studies: Sequence[LandmarkStudy]) -> dict[str, pd.DataFrame]:
    names = dict.fromkeys(name for study in studies for name in study.tables)
    return {name: pd.concat([study.tables[name] for study in studies if name in study.tables]) for name in names}


def _facts(facts: CardFacts) -> dict[str, object]:
    bundle = facts.model.bundle
    return {
        "statement": bundle.statement,
        "name": bundle.name,
        "model_sha256": facts.model.sha256,
        "bundle": f"../model/{MODEL_FILE}",
        "provenance": bundle.provenance,
        "effort": asdict(facts.effort),
        "cross_validation": {
            study.landmark: {
                "folds": study.validation.n_folds,
                "repeats": study.validation.n_repeats,
                "members_used": study.validation.members_used,
            }
            for study in facts.studies
        },
        "counts": asdict(facts.cohort.counts),
        "warnings": [warning for study in facts.studies for warning in study.warnings],
        "statements": [statement for study in facts.studies for statement in study.statements],
        "sites": {study.landmark: list(study.sites.notes) for study in facts.studies if study.sites is not None},
        "refused": facts.refused,
    } | ({"updates": facts.updates} if facts.updates else {})
