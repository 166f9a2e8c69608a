"""The main job, end to end, on real tables: train, score, evaluate and explain without any change of code."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort.protocols import load_protocol
from ketapredict.cohort.read import read_cohort
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import score_file
from ketapredict.simulate import simulate_cohort
from ketapredict.training import train
from ketapredict.validate.evaluation import OWN_COURSES, evaluate
from ketapredict.validate.study import Effort
from ketapredict.validate.verdicts import skill_verdicts

SMALL = Effort(repeats=1, refits=4, curve_repeats=0)
ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("own_store")]


def read(realdata, mappings, file, name, protocol=None):
    return read_cohort(realdata / file, mappings / f"{name}.toml", mappings / f"{protocol or name}.protocol.toml")


def test_all_arms_of_the_dia_trial(realdata, mappings, tmp_path):
    cohort = read(realdata, mappings, "dia_hamd17", "dia-hamd17")
    (tmp_path / "all" / "report").mkdir(parents=True)
    (tmp_path / "all" / "report" / "patients.csv").write_text("left by somebody")
    result = train(cohort, all_arms=True, prior="none", effort=SMALL, output="all", seed=1)
    assert [v.landmark for v in result.validations] == ["w1", "w2"]
    assert [v.courses for v in result.validations] == [129, 128]
    assert result.model.bundle.trained_on == "real"
    for model in result.model.bundle.landmarks:
        assert "arm_drug" in [column.name for column in model.columns]
    # What the card warns of, the model itself holds: the page shows it beside every estimate.
    loaded = ResponseModel.load("all/model")
    assert loaded.sha256 == result.model.sha256
    for study in result.studies:
        assert loaded.bundle.verdicts(study.landmark) == skill_verdicts(study.validation)
        assert set(skill_verdicts(study.validation)) <= set(study.warnings)
    logged = {path.name for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file()}
    assert "measures.csv" in logged
    assert "patients.csv" not in logged
    assert pd.read_csv("all/report/measures.csv")["trained_on"].eq("real").all()


def test_riesby_with_its_extra_covariate(realdata, mappings):
    cohort = read(realdata, mappings, "riesby_hdrs", "riesby-hdrs")
    result = train(cohort, prior="none", effort=SMALL, output="riesby", seed=1)
    assert [v.courses for v in result.validations] == [50, 52]
    assert [column.name for column in result.model.bundle.extras] == ["endogenous"]
    scored = ResponseModel.load("riesby/model").score(cohort).table
    assert scored["shap_symptom_profile"].abs().max() > 0
    assert len(pd.read_csv("riesby/rejects.csv")) == 5


@pytest.fixture(scope="module")
def simulated_for_nimh(mappings, tmp_path_factory, migrated_store):
    """A model of simulated courses under the protocol of the NIMH trial."""
    protocol = mappings / "nimh-ds005917.protocol.toml"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("nimh"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        shutil.copy(migrated_store, ".")
        simulate_cohort(400, 1, load_protocol(protocol)).to_csv("simulated.csv", index=False)
        return train(read_cohort("simulated.csv", protocol=protocol), effort=SMALL, output="nimh")


@pytest.mark.parametrize("baseline", ["first", "own"])
def test_a_model_of_simulated_courses_meets_the_nimh_patients(
    realdata, mappings, tmp_path, simulated_for_nimh, baseline
):
    protocol = mappings / "nimh-ds005917.protocol.toml"
    mapping = mappings / f"nimh-ds005917-{baseline}-baseline.toml"
    result = simulated_for_nimh
    cohort = read_cohort(realdata / "nimh_ds005917", mapping, protocol)
    measured = evaluate(result.model, cohort)
    assert OWN_COURSES not in measured.notes
    found = measured.table
    model = found[found["predictor"] == "model"].set_index(["landmark", "measure"])
    assert (model.loc["pre", "courses"] == 26).all()
    assert (model.loc["pre", "events"] == 3).all()
    assert (model.loc["d2", "courses"] == 24).all()
    assert {"auc", "brier"} <= set(model.loc["d2"].index)
    assert "calibration_slope" not in model.loc["d2"].index
    told_with_interval = model[model.index.get_level_values("measure").isin(["auc", "brier", "log_loss"])]
    assert (told_with_interval["low"] < told_with_interval["high"]).all()
    done = score_file(realdata / "nimh_ds005917", tmp_path / "nimh.csv", result.model, mapping=mapping)
    assert done.scored + done.rejected == done.courses == 60
    scored = pd.read_csv("nimh.csv")
    assert set(scored["trained_on"]) == {"simulated"}
    assert ((scored["p_low"] <= scored["probability"]) & (scored["probability"] <= scored["p_high"])).all()
    course = scored["course_id"][0]
    told = result.model.explain(cohort, course)
    assert told.to_text().startswith("SIMULATED")
    assert told.probability == pytest.approx(scored["probability"][0], abs=1e-12)


def test_the_committee_keeps_its_promises_on_the_real_trials(realdata, mappings):
    spec = importlib.util.spec_from_file_location("real_trials", ROOT / "benchmarks" / "real_trials.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    trials, simulated = benchmark.open_trials(realdata), benchmark.simulated_cohorts()
    for trial, cohort in trials.items():
        prior = benchmark.prior_without(trials, trial, simulated)
        assert trial not in prior.trials
        data = benchmark.training_data(cohort.subset(cohort.active), "w2", "response", evidence=prior)
        folds = benchmark.repeated_folds(data.labels, data.patients, 5, 2, np.random.default_rng(0))
        table = benchmark.compare(data, folds).set_index("learner")
        assert table.loc["XGBoost, default", "committee minus it"] < 0
        for peer in ("prevalence", "ridge logistic", "committee without the prior"):
            assert table.loc[peer, "committee minus it"] < table.loc[peer, "standard error"]
        assert np.isfinite(table.to_numpy(float)).all()
