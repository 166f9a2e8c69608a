"""The known truth: it agrees with outcomes, with brute force, and no model on the same columns beats it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from ketapredict.simulate import Scenario, simulate_with_truth
from ketapredict.simulate.columns import to_frame
from ketapredict.simulate.courses import simulate_chunks
from ketapredict.simulate.truth import highest_end_score

BINS = 20


def calibration_p(probability: np.ndarray, happened: np.ndarray) -> float:
    """Chi-square over bins of the probability, with the variance that the probabilities imply."""
    bins = np.array_split(np.argsort(probability, kind="stable"), BINS)
    statistic = 0.0
    for rows in bins:
        expected = probability[rows]
        statistic += (happened[rows].sum() - expected.sum()) ** 2 / (expected * (1.0 - expected)).sum()
    return float(chi2.sf(statistic, BINS))


def log_loss(probability: np.ndarray, happened: np.ndarray) -> float:
    return float(-np.mean(np.log(np.where(happened == 1.0, probability, 1.0 - probability))))


def assert_calibrated(truth: pd.DataFrame, scenario: Scenario) -> None:
    for landmark in scenario.protocol.landmarks:
        for outcome in ("response", "remission"):
            probability = truth[f"{outcome}_at_{landmark}"].to_numpy()
            # Up to 32 checks: a level at which a correct truth fails about once in a thousand runs.
            assert calibration_p(probability, truth[outcome].to_numpy()) > 1e-4, (landmark, outcome)


# Courses of one site share its effect, which the truth averages out: many sites, so that outcomes are independent.
@pytest.mark.parametrize(
    ("protocol", "options"),
    [
        ("induction-course", {"scale": "PHQ-9", "missing_share": 0.3}),
        ("single-infusion", {"setting": "trial", "control": "midazolam", "control_share": 0.5}),
        ("nimh", {"scale": "HAMD-17"}),
        ("weeks", {"scale": "IDS-SR30"}),
    ],
)
def test_the_truth_agrees_with_outcomes(protocols, protocol, options):
    scenario = Scenario(protocol=protocols[protocol], n_sites=4_000, **options)
    _, truth = simulate_with_truth(scenario, 12_000, 21)
    assert_calibrated(truth, scenario)


@pytest.mark.parametrize("told", ["systolic_mmhg", "episode_months", "onset_age_years"])
def test_columns_without_an_effect_tell_of_cells_that_are_empty(told):
    """Where the BMI, failed trials and failed ECT are empty, the outcomes agree by fifths of what goes with them."""
    scenario = Scenario(n_sites=20_000, missing_share=0.5)
    table, truth = simulate_with_truth(scenario, 60_000, 6)
    empty = (table["bmi_kg_m2"].isna() | table["failed_trials"].isna() | table["failed_ect"].isna()) & table[
        told
    ].notna()
    order = np.argsort(table[told][empty].to_numpy(), kind="stable")
    for outcome in ("response", "remission"):
        probability, happened = (truth[name][empty].to_numpy()[order] for name in (f"{outcome}_at_pre", outcome))
        for rows in np.array_split(np.arange(len(order)), 5):
            error = np.sqrt((probability[rows] * (1 - probability[rows])).sum()) / len(rows)
            assert abs(happened[rows].mean() - probability[rows].mean()) < 4 * error, outcome


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_the_truth_agrees_with_200_000_outcomes(seed):
    scenario = Scenario(n_sites=20_000)
    _, truth = simulate_with_truth(scenario, 200_000, seed)
    assert_calibrated(truth, scenario)


def test_later_landmarks_know_more_and_the_error_is_small():
    table, truth = simulate_with_truth(Scenario(n_sites=4_000), 10_000, 3)
    severe = table["score_baseline"] >= 20  # half of it is above the remission cut
    happened = truth["response"].to_numpy()
    losses = [log_loss(truth[f"response_at_{landmark}"].to_numpy(), happened) for landmark in ("pre", "24h", "inf3")]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[1] > 0.05
    for landmark in ("pre", "4h", "24h", "inf3"):
        error = truth[f"response_at_{landmark}_se"]
        assert error.mean() < 0.005
        assert error.max() < 0.03
        assert (truth[f"remission_at_{landmark}"] <= truth[f"response_at_{landmark}"] + 1e-6)[severe].all()


def test_a_scale_without_a_remission_cut_has_no_remission():
    _, truth = simulate_with_truth(Scenario(scale="HAMD-6"), 50, 3)
    assert truth["remission"].isna().all()
    assert truth["remission_at_24h"].isna().all()
    assert truth["response_at_24h"].between(0, 1).all()


def _features(table: pd.DataFrame) -> np.ndarray:
    numbers = ["age_years", "bmi_kg_m2", "failed_trials", "prior_admissions", "suicide_attempts"]
    numbers += ["benzodiazepine_mg_per_day", "cadss_40min", "score_baseline"]
    columns = {name: table[name].to_numpy(float) for name in numbers}
    for name in ("failed_ect", "family_history_alcohol", "anxious_distress", "melancholic_features"):
        columns[name] = table[name].map({"yes": 1.0, "no": 0.0}).to_numpy(float)
    columns["bipolar"] = (table["diagnosis"] != "MDD").to_numpy(float)
    for point in ("40min", "4h", "24h"):
        columns[point] = 1.0 - table[f"score_{point}"].to_numpy(float) / columns["score_baseline"]
    return np.column_stack(list(columns.values()))


@pytest.mark.slow
def test_no_model_on_the_same_columns_beats_it():
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    table, truth = simulate_with_truth(Scenario(n_sites=20_000), 200_000, 8)
    features, happened = _features(table), truth["response"].to_numpy()
    half = len(happened) // 2
    best = log_loss(truth["response_at_24h"].to_numpy()[half:], happened[half:])
    learners = (
        HistGradientBoostingClassifier(max_iter=150, learning_rate=0.05, max_leaf_nodes=15, random_state=0),
        make_pipeline(SimpleImputer(), StandardScaler(), SplineTransformer(5), LogisticRegression(max_iter=500, C=0.1)),
    )
    for learner in learners:
        learner.fit(features[:half], happened[:half])
        found = log_loss(learner.predict_proba(features[half:])[:, 1], happened[half:])
        assert best < found < best + 0.02


def brute_force(scenario: Scenario, n_courses: int, seed: int) -> pd.DataFrame:
    """Simulate again with other seeds and other sites; nothing missing but what the scenario empties."""
    parts = []
    for chunk in simulate_chunks(scenario, n_courses, seed):
        end = chunk.hidden[f"complete_score_{scenario.protocol.outcome}"]
        part = to_frame(chunk.table)
        limit = highest_end_score(part["score_baseline"].to_numpy(float), scenario.rating_scale, "response")
        cut = highest_end_score(part["score_baseline"].to_numpy(float), scenario.rating_scale, "remission")
        parts.append(part.assign(response=(end <= limit).astype(float), remission=(end <= cut).astype(float)))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.slow
def test_brute_force_finds_the_same_probabilities():
    """Among 1.5 million other courses, those with the same scores and like covariates respond as the truth says.

    The truth of other courses that look alike is averaged over the same group, so both sides condition alike.
    """
    scenario = Scenario(n_sites=20_000)
    table, truth = simulate_with_truth(scenario, 200_000, 4)
    library = brute_force(scenario, 1_500_000, 5)
    keys = {
        "early": lambda t: (t["score_baseline"], t["score_24h"]),
        "missing": lambda t: (
            t["failed_ect"].fillna("?"),
            t["family_history_alcohol"].fillna("?"),
            t["score_24h"] // 3,
        ),
        "admissions": lambda t: (t["prior_admissions"].fillna(-1), t["diagnosis"], t["mood_stabilizer"].fillna("?")),
        "trials": lambda t: (t["failed_trials"].clip(upper=10).fillna(-1), t["failed_ect"].fillna("?")),
        "dissociation": lambda t: (t["cadss_40min"].clip(upper=12).fillna(-1), t["score_40min"] // 6),
    }
    for name, key in keys.items():
        landmark = {"admissions": "pre", "trials": "pre", "dissociation": "4h"}.get(name, "24h")
        outcome = "remission" if name == "trials" else "response"
        found = library.groupby([*key(library)], observed=True)[outcome].agg(["mean", "size"])
        said = truth[f"{outcome}_at_{landmark}"].groupby([*key(table)], observed=True).agg(["mean", "var", "size"])
        said = said.rename(columns={"mean": "mean_truth", "size": "size_truth"})
        both = found.join(said).query("size >= 1000 and size_truth >= 100")
        assert len(both) >= 12, name
        spread = both["mean"] * (1 - both["mean"]) / both["size"] + both["var"] / both["size_truth"]
        standardised = (both["mean"] - both["mean_truth"]) / np.sqrt(spread)
        assert chi2.sf((standardised**2).sum(), len(both)) > 1e-4, name


def test_one_course_by_rejection():
    """One patient's truth at 24 h, covariates aside, against rejection from 400,000 draws of the model itself."""
    from ketapredict.simulate.classes import SITE_SPREAD, steps_of
    from ketapredict.simulate.model import model_of
    from ketapredict.simulate.ratings import scores_from
    from ketapredict.simulate.truth import true_probabilities

    scenario = Scenario(missing_share=0.0, dropout=0.04)
    (chunk,) = simulate_chunks(scenario, 1_500, 77)
    truth, table, model = to_frame(true_probabilities(chunk, scenario)), to_frame(chunk.table), model_of(scenario)
    from ketapredict.simulate.effects import liability
    from ketapredict.simulate.ratings import standard_severity

    baseline = table["score_baseline"].to_numpy(float)
    known = liability(chunk.table, standard_severity(baseline, scenario), scenario)
    rng = np.random.default_rng(1)
    n, names = 400_000, scenario.protocol.names
    early = [names.index(point) for point in ("40min", "4h", "24h")]
    seen = table[[f"score_{names[i]}" for i in early]].to_numpy(float)
    usual = [row for row in np.flatnonzero(~np.isnan(seen).any(axis=1)) if 20 <= baseline[row] <= 25][:4]
    for row in usual:
        site, own = rng.normal(0, SITE_SPREAD, n), rng.standard_normal((2, n))
        own[0] = np.where(rng.random(n) < model.same, own[1], own[0])
        first = steps_of((model.active.first + site + own[0])[:, None] + known.slowing[row] + known.mean[row])
        late = steps_of((model.active.late + site + own[1])[:, None] + known.mean[row])
        root = np.linalg.cholesky(model.covariance)
        latent = model.means[first, late] + rng.standard_normal((n, len(names) + 1)) @ root.T
        scores = scores_from(latent[:, :-1], np.full(n, baseline[row]), scenario.rating_scale)
        # Within a point at 40 min and 4 h, exact at 24 h; the dissociation score is left free: a small effect.
        same = (np.abs(scores[:, early] - seen[row]) <= np.array([1.0, 1.0, 0.0])).all(axis=1)
        if same.sum() < 150:
            continue
        responded = scores[same][:, names.index("end")] <= np.floor(baseline[row] / 2)
        said = truth.loc[row, "response_at_24h"]
        error = np.sqrt(said * (1.0 - said) / same.sum())
        assert abs(responded.mean() - said) < 4 * error + 0.02
