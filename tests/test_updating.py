"""`update` from end to end, by the command and from Python."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketapredict.cli import main
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.errors import CohortError, FileError, ModelError, ProtocolError, TrainingError
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort
from ketapredict.tracking.registry import find_model
from ketapredict.updating import met_before, update, update_response_model

pytestmark = pytest.mark.usefixtures("own_store")


@pytest.fixture(scope="session")
def other_site(simulated, short_cohort):
    """70 courses of another site, whose end scores are lower: more respond than the parent knows."""
    found = simulated(70, seed=21, protocol=short_cohort.protocol)
    return replace(
        found, courses=CourseColumns.of_table(found.table.assign(score_7d=np.floor(found.table["score_7d"] * 0.7)))
    )


def with_end_scores(cohort, chosen):
    """Let the chosen number of courses respond."""
    responds = np.arange(len(cohort)) < chosen
    end = np.where(responds, 0.0, cohort.table["score_baseline"])
    return replace(cohort, courses=CourseColumns.of_table(cohort.table.assign(score_7d=end)))


def real(cohort):
    """The same courses under ids that do not say that they were simulated."""
    table = cohort.table.copy()
    table["course_id"] = pd.Series([f"course-{number}" for number in range(len(table))], dtype="str")
    for name in ("patient_id", "site"):
        table[name] = pd.Series([pd.NA] * len(table), dtype="str")
    return replace(cohort, courses=CourseColumns.of_table(table), simulated=False, notices=())


@pytest.mark.slow
def test_the_command_makes_a_registered_version_with_its_own_report(
    short_model, other_site, tmp_path, monkeypatch, capsys
):
    short_model.save("parent")
    frame = other_site.table.copy()
    for name, column in other_site.columns.items():
        if column.kind == "yes_no" and name in frame:
            frame[name] = frame[name].map({1.0: "yes", 0.0: "no"})
    frame.dropna(axis=1, how="all").to_csv("site.csv", index=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ketapredict", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    status, out, err = run("update", "parent", "site.csv", "--output", "new", "--seed", 2, "--repeats", 1)
    assert status == 0, err
    assert out.startswith("SIMULATED")
    assert "leave it" in out
    assert re.search(r"24h: .*\. Log-loss", out)
    for name in (
        "model-card.html",
        "updating.csv",
        "resamples.parquet",
        "subgroups.csv",
        "measures.csv",
        "differences.csv",
        "coefficients.csv",
        "trees.csv",
        "model.md",
        "training.json",
    ):
        assert (tmp_path / "new" / "report" / name).stat().st_size > 0
    facts = json.loads(Path("new/report/training.json").read_text())
    assert set(facts["updates"]) == {"24h", "72h"}
    assert facts["provenance"]["updated_from"]["model_sha256"] == short_model.sha256
    made = find_model("models:/short-response@challenger")
    assert set(facts["provenance"]["verdicts"]) == {"24h", "72h"}
    assert all(made.bundle.verdicts(landmark) is not None for landmark in ("24h", "72h"))
    assert made.sha256 == facts["model_sha256"] == ResponseModel.load("new/model").sha256
    assert find_model("models:/short-response/1").sha256 == made.sha256
    status, out, _ = run("update", "parent", "site.csv", "--output", "again", "--seed", 2, "--repeats", 1, "--json")
    told = json.loads(out)
    assert (status, told["model_sha256"]) == (0, made.sha256)
    assert told["updated_from"] == short_model.sha256
    for file in Path("new/model").iterdir():
        assert file.read_bytes() == (Path("again/model") / file.name).read_bytes()
    assert find_model("models:/short-response@challenger").version == "2"
    # Scoring and explaining know nothing of updates.
    assert run("score", "site.csv", "--output", "scored.csv", "--model", "new/model")[0] <= 1
    assert len(pd.read_csv("scored.csv")) > 60
    course = other_site.table["course_id"].iloc[0]
    status, out, _ = run("explain", "site.csv", "--course", course, "--model", "new/model")
    assert status == 0
    assert "courses it was updated with had it, and" in out
    status, _, err = run("update", "parent", "site.csv", "--output", "x", "--protocol", "induction-course")
    assert (status, "the outcome at 7d (168 h)" in err) == (2, True)
    assert not Path("x").exists()


def test_where_more_respond_the_updated_model_expects_more(short_model, other_site):
    model, found, left = update_response_model(short_model, other_site, seed=1)
    assert left == {}
    assert [one.landmark for one in found] == ["24h", "72h"]
    assert any(one.choice.update.method != "leave it" for one in found)
    before, after = short_model.score(other_site), model.score(other_site)
    observed = found[0].site.labels.mean()
    gap_before, gap_after = (abs(s.table["probability"].mean() - observed) for s in (before, after))
    assert gap_after < gap_before
    assert after.largest_residual < 1e-4
    table = after.table
    inside = (table["p_low"] <= table["probability"]) & (table["probability"] <= table["p_high"])
    assert inside.all()
    assert table["in_scope"].mean() >= before.table["in_scope"].mean()
    told = model.explain(other_site, table["course_id"].iloc[0])
    assert told.updating_courses == model.bundle.landmarks[-1].updated.courses
    assert told.training_courses == short_model.bundle.landmarks[-1].courses


def test_same_parent_courses_and_seed_give_the_same_bytes(short_model, other_site):
    first, second = (update_response_model(short_model, other_site, seed=4)[0] for _ in range(2))
    assert first.sha256 == second.sha256 != short_model.sha256
    first.save("model")
    loaded = ResponseModel.load("model")
    assert loaded.sha256 == first.sha256
    assert loaded.bundle.landmarks[0].updated == first.bundle.landmarks[0].updated
    # The name in the registry by which the parent was found has no part in it.
    named = ResponseModel(short_model.bundle, version="17")
    assert update_response_model(named, other_site, seed=4)[0].sha256 == first.sha256


def test_provenance_names_both_and_the_worse_of_two_sources(short_model, other_site):
    model, _, _ = update_response_model(short_model, real(other_site))
    provenance = model.bundle.provenance
    assert model.bundle.trained_on == "simulated"
    assert provenance["notices"][0].startswith("updated with 70 real courses")
    assert provenance["data_sha256"] == real(other_site).sha256
    parent = provenance["updated_from"]
    assert parent["model_sha256"] == short_model.sha256
    assert parent["provenance"] == short_model.bundle.provenance
    assert model.bundle.bands == short_model.bundle.bands  # of the first training, as the page says
    genuine = ResponseModel(replace(short_model.bundle, trained_on="real"))
    assert update_response_model(genuine, other_site)[0].bundle.trained_on == "simulated"
    assert update_response_model(genuine, real(other_site))[0].bundle.trained_on == "real"
    evidence = ResponseModel(replace(short_model.bundle, trained_on="evidence"))
    assert update_response_model(evidence, real(other_site))[0].bundle.trained_on == "evidence"


def test_a_model_is_updated_twice_and_knows_all_that_it_has_met(short_model, other_site, simulated, short_cohort):
    once, _, _ = update_response_model(short_model, other_site)
    third = simulated(60, seed=5, protocol=short_cohort.protocol)
    twice, _, _ = update_response_model(once, third)
    assert met_before(twice.bundle) == (third.sha256, other_site.sha256, short_cohort.sha256)
    assert twice.score(third).largest_residual < 1e-4
    for known in (third, other_site, short_cohort):
        with pytest.raises(CohortError, match="has not met"):
            update_response_model(twice, known)


def test_landmarks_with_too_few_courses_are_left_and_this_is_said(short_model, other_site):
    score = other_site.table["score_72h"].copy()
    score.iloc[12:] = np.nan
    few = replace(other_site, courses=CourseColumns.of_table(other_site.table.assign(score_72h=score)))
    few = with_end_scores(few, 4)
    ends = few.table["score_7d"].copy()
    ends.iloc[20:36] = 0.0
    few = replace(few, courses=CourseColumns.of_table(few.table.assign(score_7d=ends)))
    model, found, left = update_response_model(short_model, few)
    assert [one.landmark for one in found] == ["24h"]
    assert model.bundle.landmarks[1] is short_model.bundle.landmarks[1]
    assert "72h: left as it is" in left["72h"]
    assert "found 4 and" in left["72h"]


def test_what_does_not_fit_is_refused(short_model, other_site, short_cohort, tmp_path):
    with pytest.raises(TrainingError, match="found 3 and"):
        update_response_model(short_model, with_end_scores(other_site, 3))
    control = other_site.table.assign(arm=pd.Categorical(["control"] * 70, categories=["ketamine", "control"]))
    with pytest.raises(CohortError, match="control courses only"):
        update_response_model(short_model, replace(other_site, courses=CourseColumns.of_table(control)))
    scale = other_site.table["scale"].cat.set_categories(["MADRS", "HAMD-17"])
    other_scale = scale.map(lambda _: "HAMD-17").astype(scale.dtype)
    with pytest.raises(CohortError, match="rated on MADRS"):
        update_response_model(
            short_model, replace(other_site, courses=CourseColumns.of_table(other_site.table.assign(scale=other_scale)))
        )
    induction = BUILT_IN["induction-course"]
    with pytest.raises(ProtocolError, match="judges it at end"):
        update_response_model(short_model, cohort_from_frame(simulate_cohort(30, 1, induction), induction))
    later = replace(other_site.protocol, time_points=other_site.protocol.time_points[1:], landmarks=("72h",))
    frame = simulate_cohort(30, 1, later)
    with pytest.raises(ModelError, match="read under the model's protocol"):
        update_response_model(short_model, cohort_from_frame(frame, later))
    short_model.save(tmp_path / "run" / "model")
    with pytest.raises(FileError, match="that is to be updated"):
        update(short_model, other_site, output=tmp_path / "run")
    assert ResponseModel.load(tmp_path / "run" / "model").sha256 == short_model.sha256
    with pytest.raises(CohortError, match="has not met"):
        update_response_model(short_model, short_cohort)


def test_control_courses_have_no_part(short_model, other_site):
    arms = ["ketamine"] * 50 + ["control"] * 20
    mixed = replace(
        other_site,
        courses=CourseColumns.of_table(other_site.table.assign(arm=pd.Categorical(arms, ["ketamine", "control"]))),
    )
    _, found, _ = update_response_model(short_model, mixed)
    active = other_site.subset(np.arange(70) < 50)
    _, alone, _ = update_response_model(short_model, active)
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_array_equal(one.site.log_odds, other.site.log_odds)
        assert one.choice.update.method == other.choice.update.method
