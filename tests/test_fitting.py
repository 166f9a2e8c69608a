"""From few courses, or none, to a model: what the prior does and what is said of it."""

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from tests.conftest import ROOT, SHORT_PROTOCOL

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import BUILT_IN, PRE
from ketapredict.cohort.read import read_cohort
from ketapredict.errors import FileError, TrainingError
from ketapredict.evidence_models import evidence_model, patients_of_the_open_trial
from ketapredict.fitting import evidence_response_model, fit_response_model
from ketapredict.model.bundle import MODEL_FILE, evidence_folder
from ketapredict.model.prior import read_prior, trials_within
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort
from ketapredict.training import train
from ketapredict.validate.study import Effort

FEW = 12
NONE_AT_ALL = Effort(repeats=1, refits=0, curve_repeats=0)


@pytest.fixture(scope="module")
def few(short_cohort):
    return short_cohort.subset(np.arange(len(short_cohort)) < FEW)


def test_with_few_courses_only_the_rate_moves(few):
    model, refused = fit_response_model(few)
    assert refused == {}
    evidence = evidence_response_model(SHORT_PROTOCOL)
    for own, theirs in zip(model.bundle.landmarks, evidence.bundle.landmarks, strict=True):
        assert own.from_evidence
        assert (own.coefficients == theirs.coefficients).all()
        assert own.intercept != theirs.intercept
    assert all("THE EVIDENCE MODEL" in notice for notice in model.bundle.provenance["notices"][:2])
    assert model.bundle.trained_on == "simulated"  # the worse of its two sources


def test_of_real_courses_such_a_model_is_of_evidence(few):
    table = few.table.assign(
        course_id=[f"c{k}" for k in range(len(few))], patient_id=[f"p{k}" for k in range(len(few))]
    )
    model, _ = fit_response_model(replace(few, courses=CourseColumns.of_table(table), simulated=False))
    assert model.bundle.trained_on == "evidence"
    assert model.bundle.statement.startswith(
        "From published evidence and simulated courses; only its rate was moved by"
    )


def test_without_a_prior_or_of_another_treatment_few_courses_are_refused(few):
    with pytest.raises(TrainingError, match="expected at least 10"):
        fit_response_model(few, prior="none")
    other = replace(few, protocol=replace(SHORT_PROTOCOL, active_treatment="imipramine"))
    with pytest.raises(TrainingError, match="expected at least 10"):
        fit_response_model(other)
    with pytest.raises(TrainingError, match="of which the evidence of this package says nothing"):
        evidence_response_model(other.protocol)


def test_a_trial_that_the_prior_was_derived_from_is_refused(realdata, mappings):
    mapping = mappings / "dia-hamd17.toml"
    cohort = read_cohort(realdata / "dia_hamd17", mapping, mappings / "dia-hamd17.protocol.toml")
    with pytest.raises(TrainingError, match="count twice"):
        fit_response_model(cohort)
    # Recognised course by course: a part of it, or with other columns recorded, is the same trial.
    part = cohort.subset(np.arange(len(cohort)) % 7 == 0)
    with pytest.raises(TrainingError, match="count twice"):
        fit_response_model(part)


def test_courses_of_others_are_not_taken_for_those_of_a_trial(simulated):
    evidence = read_prior("response")
    assert trials_within(evidence, simulated(2000, seed=4)) == ()
    assert all(len(digest) == 6 for trial in evidence.trials for digest in trial.courses)


def test_where_some_landmarks_are_fitted_and_one_is_not_each_is_said(short_cohort):
    table = short_cohort.table.copy()
    keep = table.index[table["score_72h"].notna() & table["score_7d"].notna()][:15]
    table.loc[~table.index.isin(keep), "score_72h"] = np.nan
    table = table.assign(
        course_id=[f"c{k}" for k in range(len(table))], patient_id=[f"p{k}" for k in range(len(table))]
    )
    model, _ = fit_response_model(replace(short_cohort, courses=CourseColumns.of_table(table), simulated=False))
    assert [found.from_evidence for found in model.bundle.landmarks] == [False, True]
    assert model.bundle.trained_on == "real"
    assert "at 72h it is the evidence model" in model.bundle.statement
    scored = model.score(short_cohort, "72h").table
    assert set(scored["trained_on"]) == {"evidence"}
    assert set(model.score(short_cohort, "24h").table["trained_on"]) == {"real"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: plain["rate"].update(spread=1e9),
        lambda plain: plain["rate"].update(spread=float("nan")),
        lambda plain: plain["outcomes"]["response"]["lines"]["latest"].update(slope=-500.0),
        lambda plain: plain["outcomes"]["response"]["lines"]["latest"].update(shared=float("inf")),
        lambda plain: plain["outcomes"]["response"]["baseline"].append(plain["outcomes"]["response"]["baseline"][0]),
        lambda plain: plain["outcomes"]["response"]["lines"].pop("alone"),
    ],
)
def test_a_damaged_prior_is_refused(few, tmp_path, damage):
    plain = json.loads((files("ketapredict") / "data" / "prior.json").read_text("utf-8"))
    damage(plain)
    (tmp_path / "prior.json").write_text(json.dumps(plain))
    with pytest.raises(FileError, match="derive it again"):
        fit_response_model(few, prior=tmp_path / "prior.json")


def test_a_file_that_is_no_prior_is_refused(few, tmp_path):
    (tmp_path / "prior.json").write_text("{}")
    with pytest.raises(FileError, match="derive it again"):
        fit_response_model(few, prior=tmp_path / "prior.json")
    with pytest.raises(FileError, match="cannot be read"):
        fit_response_model(few, prior=tmp_path / "absent.json")


def test_the_prior_stands_in_the_provenance(short_model, short_cohort):
    told = short_model.bundle.provenance["prior"]
    trials = {"dia_hamd17": "drug", "riesby_hdrs": "imipramine"}
    assert told == {"used": True, "sha256": read_prior("response").sha256, "trials": trials}
    assert fit_response_model(short_cohort, seed=3, prior="none")[0].bundle.provenance["prior"] == {"used": False}


def test_train_with_few_courses_says_that_nothing_was_validated(few, own_store):
    result = train(few, effort=NONE_AT_ALL, output="few")
    assert result.studies == ()
    card = result.card.read_text()
    assert "NOT VALIDATED HERE at 24h, 72h" in card
    assert "its rate moved by" in card
    again = ResponseModel.load("few/model")
    assert again.sha256 == result.model.sha256
    scored = again.score(few)
    assert len(scored.table) + scored.refused["course_id"].nunique() == len(few)


@pytest.mark.parametrize("protocol", BUILT_IN.values(), ids=BUILT_IN)
def test_the_packages_evidence_models_are_those_that_the_command_makes(protocol):
    made = evidence_response_model(protocol)
    kept = ResponseModel.load(f"evidence/{protocol.name}")
    file = evidence_folder() / protocol.name / MODEL_FILE
    stored = json.loads(file.read_text())
    versions = stored["provenance"].pop("versions")
    assert file.stat().st_size < 400_000
    for own, theirs in zip(made.bundle.landmarks, kept.bundle.landmarks, strict=True):
        assert own.columns == theirs.columns
        assert own.intercept == theirs.intercept
        assert (own.coefficients == theirs.coefficients).all()
        assert (own.uncertainty.factor == theirs.uncertainty.factor).all()
        assert own.scope == theirs.scope
    # But for the versions of the machine the bundles are the same to the byte.
    same = replace(made.bundle, provenance=made.bundle.provenance | {"versions": versions})
    assert ResponseModel(same).sha256 == kept.sha256


def test_an_evidence_model_carries_over_scales(tmp_path):
    model = ResponseModel.load("evidence/single-infusion")
    inside = []
    for scale in ("MADRS", "HAMD-17", "QIDS-SR16"):
        table = simulate_cohort(30, 2, BUILT_IN["single-infusion"], scale=scale)
        table.to_csv(tmp_path / "cohort.csv", index=False)
        cohort = read_cohort(tmp_path / "cohort.csv", protocol="single-infusion")
        found = model.predict(cohort)
        assert found["probability"].between(0, 1).all()
        assert set(found["trained_on"]) == {"evidence"}
        inside.append(found["in_scope"].astype(bool).mean())
        told = model.explain(cohort, found["course_id"].iloc[0])
        assert told.to_text().startswith("From published evidence and simulated courses. Not validated on patients.")
        assert "simulated courses had it" in told.headline
    assert min(inside) > 0.5


def test_its_card_meets_the_nimh_patients(realdata):
    protocol, cohorts = patients_of_the_open_trial(realdata)
    made = evidence_model(protocol, tried_on=cohorts)
    kept = (ROOT / "models" / f"{protocol.name}.html").read_text()
    assert "3 of 26" in made.card
    assert "2 of 24" in made.card
    assert "20% rule, yes or no" in made.card
    start, end = made.card.index('id="elsewhere"'), made.card.index('id="contributions"')
    assert made.card[start:end] in kept


def test_evidence_before_the_first_infusion_says_little():
    """What is known before treatment is believed to reach an AUC of 0.65 at the most."""
    from ketapredict.cohort.read import cohort_from_frame

    model = ResponseModel.load("evidence/induction-course")
    cohort = cohort_from_frame(simulate_cohort(400, 3), BUILT_IN["induction-course"])
    p = model.predict(cohort, PRE)["probability"]
    assert p.std() < 0.2
