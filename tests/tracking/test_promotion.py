"""From a version in the registry to a moved alias, with everything written down: on runs with made-up figures."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from ketapredict.cohort.read import cohort_from_frame, read_cohort
from ketapredict.errors import CohortError, ModelError, ProtocolError, TrackingError
from ketapredict.model.fit import training_data
from ketapredict.response_model import ResponseModel
from ketapredict.simulate import simulate_cohort
from ketapredict.tracking import promotion as promotions
from ketapredict.tracking.decision_log import read_log
from ketapredict.tracking.gathering import HoldOut
from ketapredict.tracking.promotion import decisions, promote
from ketapredict.tracking.registry import champion
from ketapredict.tracking.runs import RunRecord, log_run
from ketapredict.tracking.store import open_store
from ketapredict.validate.coupling import SUSPICION
from ketapredict.validate.intervals import bootstrap_difference, bootstrap_interval
from ketapredict.validate.replicates import draw_secret, replicates

from .conftest import PROTOCOL

pytestmark = pytest.mark.slow
LANDMARKS = ("pre", "24h")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One store for all tests here; each has a model's name of its own."""
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def many():
    """More courses than the model was trained on: the figures are made up, and must not hang on chance."""
    table = simulate_cohort(500, 1, PROTOCOL)
    numbers = table.select_dtypes("number").columns
    return table.astype(dict.fromkeys(numbers, float))


@pytest.fixture
def versions(folder, monkeypatch, many, model, request):
    """Log versions of a model whose out-of-fold predictions have a known separation, as `train` would."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    name = "".join(sign for sign in request.node.name if sign.isalnum()) + "-response"

    def log(
        *, separation=1.5, slope=1.0, seed=1, card=True, warnings=(), landmarks=LANDMARKS, table=many, off=()
    ) -> str:
        cohort = cohort_from_frame(table, PROTOCOL)
        kept = tuple(one for one in model.bundle.landmarks if one.landmark in landmarks)
        provenance = model.bundle.provenance | {"data_sha256": cohort.sha256, "made": f"{separation} {slope} {seed}"}
        logged = ResponseModel(replace(model.bundle, name=name, provenance=provenance, landmarks=kept))
        report = folder / f"{name}-{seed}-{separation}-{slope}"
        report.mkdir(exist_ok=True)
        measures, differences, groups, drawn = [], [], [], []
        for landmark in landmarks:
            data = training_data(cohort, landmark, "response")
            y, prevalence = data.labels, np.full(len(data.labels), data.labels.mean())
            x = separation * y + np.random.default_rng(seed).normal(size=len(y))
            # Calibrated by Bayes' rule for two normals; dividing the log-odds by a slope spoils it.
            p = expit((separation * x - separation**2 / 2 + logit(prevalence)) / slope)
            rng = np.random.default_rng(0)
            for measure, one in bootstrap_interval(y, p, data.patients, rng, 300).items():
                sizes = (len(y), int(y.sum()))
                measures.append((landmark, "model", *sizes, measure, one.estimate, one.low, one.high))
            gain = bootstrap_difference(y, p, prevalence, data.patients, rng, 300)["log_loss"]
            differences.append((landmark, "prevalence", "log_loss", gain.estimate, gain.se, gain.low, gain.high))
            groups.append((landmark, "sex", "male", "calibration_intercept", 0.9, 0.5, 1.3, "sex" in off))
            groups.append((landmark, "sex", "other", "calibration_intercept", 0.9, np.nan, np.nan, False))
            secret = draw_secret(cohort)
            drawn.append(replicates(y, p, data.patients, landmark, secret, "response", 300))
        columns = ["landmark", "predictor", "courses", "events", "measure", "estimate", "low", "high"]
        pd.DataFrame(measures, columns=columns).to_csv(report / "measures.csv", index=False)
        columns = ["landmark", "comparator", "measure", "difference", "se", "low", "high"]
        pd.DataFrame(differences, columns=columns).to_csv(report / "differences.csv", index=False)
        columns = ["landmark", "variable", "level", "measure", "estimate", "low", "high", "certainly_miscalibrated"]
        pd.DataFrame(groups, columns=columns).to_csv(report / "subgroups.csv", index=False)
        pd.concat(drawn).to_parquet(report / "resamples.parquet")
        facts = {"model_sha256": logged.sha256, "warnings": ["24h: NO SKILL SHOWN.", *warnings]}
        (report / "training.json").write_text(json.dumps(facts))
        for file in ("model-card.html", "model-card.md"):
            if card:
                (report / file).write_text(f"SIMULATED. {logged.sha256}")
        return log_run(logged, RunRecord({}, {}, {}, report)).model_version

    log.name = name
    return log


def alias(name: str) -> str | None:
    with open_store(create=False):
        import mlflow

        found = mlflow.MlflowClient().get_registered_model(name).aliases.get("champion")
    return None if found is None else str(found)


def failed(found) -> list[str]:
    return [check.name for check in found.decision.failed]


def test_a_no_leaves_everything_and_a_yes_moves_the_alias_both_are_written_down(versions):
    version, name = versions(), versions.name
    before = len(decisions())
    refused = promote(version, name)
    assert failed(refused) == ["real data"]
    assert (alias(name), refused.champion_after) == (None, None)
    passed = promote("challenger", name, allow_simulated=True)
    assert (passed.decision.word, passed.champion_after, alias(name)) == ("first champion", version, version)
    assert champion(name).version == version
    lines = decisions()[before:]
    assert [line.content["event"] for line in lines] == ["decision", "decision", "moved"]
    assert [line.content.get("decision") for line in lines] == ["no", "yes", None]
    assert lines[1].content["checks"] == json.loads(json.dumps(passed.plain()["checks"]))
    assert lines[1].content["margins"]["log_loss"] == 0.02
    assert lines[1].content["allow_simulated"] is True
    with open_store(create=False):
        import mlflow

        client = mlflow.MlflowClient()
        tags = client.get_model_version(name, version).tags
        gate = {key: value for key, value in tags.items() if key.startswith("gate.")}
        run = client.get_run(passed.run_id)
        artefact = mlflow.artifacts.load_text(f"runs:/{passed.run_id}/decision.json")
    assert len(gate) == 2
    assert sorted(value[:2] for value in gate.values()) == ["no", "ye"]
    assert run.data.tags["line_sha256"] == lines[1].sha256
    assert json.loads(artefact) == lines[1].content
    with pytest.raises(ModelError, match="is not the champion"):
        promote(version, name, allow_simulated=True)


def test_a_second_version_meets_the_champion_on_the_same_resamples(versions):
    promote(versions(), versions.name, allow_simulated=True)
    same = promote(versions(seed=1, slope=1.001), versions.name, allow_simulated=True)
    assert same.decision.word == "not worse"
    better = promote(versions(separation=2.5), versions.name, allow_simulated=True)
    assert better.decision.word == "better"
    worse = promote(versions(separation=0.9, seed=2), versions.name, allow_simulated=True)
    assert "log-loss against the champion at 24h (cross-validation)" in failed(worse)
    assert alias(versions.name) == better.version == worse.champion_after
    back = promote(same.version, versions.name, allow_simulated=True)
    assert not back.decision.yes


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"card": False}, "model card"),
        ({"warnings": (f"24h: {SUSPICION} crp alone separates the outcome.",)}, "leakage"),
        ({"slope": 0.3}, "calibration slope at pre (cross-validation)"),
        ({"separation": 0.01, "slope": 0.01}, "skill (cross-validation)"),
        ({"off": ("sex",)}, "subgroups (cross-validation)"),
    ],
)
def test_what_must_not_pass_does_not(versions, changes, name):
    found = promote(versions(**changes), versions.name, allow_simulated=True)
    assert name in failed(found)
    assert alias(versions.name) is None


def test_a_landmark_lost_is_a_no(versions):
    promote(versions(), versions.name, allow_simulated=True)
    assert failed(promote(versions(landmarks=("24h",)), versions.name, allow_simulated=True)) == [
        "against the champion: landmarks"
    ]


def test_other_training_data_need_a_hold_out(versions, many, folder):
    promote(versions(), versions.name, allow_simulated=True)
    second = versions(table=many.iloc[:-1], seed=1)
    with pytest.raises(ModelError, match=r"trained on different data.*--on COHORT"):
        promote(second, versions.name, allow_simulated=True)
    path = folder / "hold-out.csv"
    simulate_cohort(160, 77, PROTOCOL).to_csv(path, index=False, float_format="%g")
    strict = promote(second, versions.name, hold_out=HoldOut(path))
    assert "real data" in failed(strict)
    assert any("SIMULATED" in note for note in strict.notes)
    found = promote(second, versions.name, hold_out=HoldOut(path), allow_simulated=True)
    # Both versions hold the same committee, whatever their made-up figures say.
    for check in found.decision.checks:
        if "against the champion at" in check.name:
            assert check.name.endswith("(hold-out)")
            assert check.found["challenger_minus_champion"] == [0.0, 0.0, 0.0]
            assert check.verdict == "pass"
    assert {"calibration slope at 24h (hold-out)", "skill (hold-out)"} <= {c.name for c in found.decision.checks}
    written = read_log(found.table)[found.line - 1].content
    assert written["hold_out"]["file"] == "hold-out.csv"
    assert len(written["hold_out"]["data_sha256"]) == 64


def test_hold_outs_that_are_none_are_refused(versions, many, folder):
    promote(versions(), versions.name, allow_simulated=True)
    second = versions(table=many.iloc[:-1])
    before = len(decisions())
    path = folder / "trained-on.csv"
    for table in (many, many.iloc[:-1]):
        # Exact digits: a hash knows only the whole.
        table.to_csv(path, index=False)
        assert read_cohort(path, protocol=PROTOCOL).sha256 == cohort_from_frame(table, PROTOCOL).sha256
        with pytest.raises(CohortError, match="these are the training courses of version"):
            promote(second, versions.name, hold_out=HoldOut(path))
    later = replace(PROTOCOL, outcome="72h", landmarks=("pre", "24h"))
    with pytest.raises(ProtocolError, match="judges it at 72h"):
        promote(second, versions.name, hold_out=HoldOut(path, protocol=later))
    other = simulate_cohort(60, 3, PROTOCOL).assign(scale="HAMD-17")
    scores = [name for name in other if name.startswith("score_")]
    other[scores] = (other[scores] / 2).round().clip(1, 52)
    other.to_csv(path, index=False)
    with pytest.raises(CohortError, match="on a scale of the models"):
        promote(second, versions.name, hold_out=HoldOut(path))
    assert len(decisions()) == before


def test_requests_that_cannot_be_carried_out(versions):
    versions()
    for wanted in ("7", "nobody", "models:/nobody/1", "models:/nobody", "0"):
        with pytest.raises(ModelError):
            promote(wanted, versions.name)
    assert promote(f"models:/{versions.name}/1", "another-name", allow_simulated=True).decision.yes


def test_files_of_another_model_are_no_evidence(versions):
    version = versions()
    with open_store(create=False):
        import mlflow

        client = mlflow.MlflowClient()
        run_id = client.get_model_version(versions.name, version).run_id
        client.log_text(run_id, json.dumps({"model_sha256": "0" * 64, "warnings": []}), "training.json")
    with pytest.raises(ModelError, match="names another"):
        promote(version, versions.name, allow_simulated=True)


@pytest.mark.parametrize("where", ["before the alias", "after the alias", "in MLflow"])
def test_after_an_interruption_the_table_tells_the_truth(versions, monkeypatch, where):
    first = versions()
    promote(first, versions.name, allow_simulated=True)
    second = versions(separation=2.5)

    class StoppedError(Exception):
        pass

    def stop(*_, **__):
        raise StoppedError

    whole = promotions._outcome
    with monkeypatch.context() as patch:
        name = {"before the alias": "_move", "after the alias": "_outcome", "in MLflow": "_log"}[where]
        patch.setattr(promotions, name, stop)
        with pytest.raises(StoppedError):
            promote(second, versions.name, allow_simulated=True)
    assert promotions._outcome is whole
    moved = where == "after the alias"
    assert alias(versions.name) == (second if moved else first)
    if moved:
        with pytest.raises(ModelError, match="is not the champion"):
            promote(second, versions.name, allow_simulated=True)
    else:
        promote(second, versions.name, allow_simulated=True)
    settled = [line.content for line in decisions() if line.content.get("found_later")][-1]
    assert (settled["event"], settled["version"]) == ("moved" if moved else "not moved", second)
    assert alias(versions.name) == second


def test_a_champion_that_changed_meanwhile_is_not_replaced(versions, monkeypatch):
    promote(versions(), versions.name, allow_simulated=True)
    second, third = versions(separation=2.5), versions(separation=2.6)
    whole = promotions._log

    def meanwhile(client, *rest):
        client.set_registered_model_alias(versions.name, "champion", third)
        return whole(client, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(promotions, "_log", meanwhile)
        with pytest.raises(TrackingError, match=f"became version {third}"):
            promote(second, versions.name, allow_simulated=True)
    assert alias(versions.name) == third
    assert decisions()[-1].content["event"] == "not moved"


def test_a_champion_that_nobody_promoted_is_told(versions):
    first = versions()
    with open_store(create=False):
        import mlflow

        mlflow.MlflowClient().set_registered_model_alias(versions.name, "champion", first)
    found = promote(versions(separation=2.5), versions.name, allow_simulated=True)
    assert found.notes == (f"version {first} became champion without this gate: no line of promotions.jsonl says so",)


def test_a_table_that_was_rewritten_stops_the_gate(versions, folder):
    version = versions()
    promote(version, versions.name)
    table = folder / "promotions.jsonl"
    whole = table.read_bytes()
    rows = whole.splitlines(keepends=True)
    for content, message in (
        (whole.replace(b'"no"', b'"NO"', 1), "was changed after it was written"),
        (b"".join(rows[:-1]), "missing or changed"),
        (b"", "missing or changed"),
    ):
        table.write_bytes(content)
        with pytest.raises(TrackingError, match=message):
            promote(version, versions.name)
        with pytest.raises(TrackingError, match=message):
            decisions()
    table.write_bytes(whole)
    assert promote(version, versions.name, allow_simulated=True).decision.yes


def test_nothing_of_a_patient_is_in_what_is_written(versions, folder):
    promote(versions(), versions.name, allow_simulated=True)
    text = (folder / "promotions.jsonl").read_text()
    assert "simulated-" not in text
