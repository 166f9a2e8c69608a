"""The facts that the description of the real data states, through the project's own mappings."""

from pathlib import Path

import pandas as pd
import pytest

from ketapredict.cohort import Cohort, read_cohort, summarise


def read(realdata: Path, mappings: Path, folder: str, mapping: str, protocol: str) -> Cohort:
    return read_cohort(realdata / folder, mappings / f"{mapping}.toml", mappings / f"{protocol}.protocol.toml")


def facts(cohort: Cohort) -> pd.DataFrame:
    return summarise(cohort).set_index(["arm", "time_point"])


@pytest.mark.parametrize(
    ("baseline", "arm", "time_point", "n", "baseline_mean", "score_mean", "responders"),
    [
        ("first", "ketamine", "d2", 29, 32.7, 23.9, 6),
        ("first", "ketamine", "d10", 26, None, 28.2, 3),
        ("first", "control", "d2", 28, None, None, 1),
        ("first", "control", "d10", 28, None, None, 0),
        ("own", "ketamine", "d2", 29, 33.8, None, 6),
        ("own", "ketamine", "d10", 26, 33.9, None, 3),
        ("own", "control", "d2", 25, 32.2, None, 0),
        ("own", "control", "d10", 25, 32.4, None, 0),
    ],
)
def test_nimh(
    realdata: Path,
    mappings: Path,
    baseline: str,
    arm: str,
    time_point: str,
    n: int,
    baseline_mean: float | None,
    score_mean: float | None,
    responders: int,
) -> None:
    cohort = read(realdata, mappings, "nimh_ds005917", f"nimh-ds005917-{baseline}-baseline", "nimh-ds005917")
    found = facts(cohort).loc[(arm, time_point)]
    assert (found["n_both"], found["responders"]) == (n, responders)
    if baseline_mean is not None:
        assert round(found["baseline_mean"], 1) == baseline_mean
    if score_mean is not None:
        assert round(found["score_mean"], 1) == score_mean


def test_nimh_rows_add_up(realdata: Path, mappings: Path) -> None:
    cohort = read(realdata, mappings, "nimh_ds005917", "nimh-ds005917-own-baseline", "nimh-ds005917")
    assert (cohort.counts.source_rows, cohort.counts.used, cohort.counts.filtered) == (236, 146, 90)
    assert cohort.rejects["rule"].unique().tolist() == ["required"]
    assert cohort.table["patient_id"].nunique() < len(cohort)
    landmark_and_outcome = cohort.table.loc[cohort.active, ["score_d2", "score_d10", "score_baseline"]].dropna()
    assert len(landmark_and_outcome) == 24
    responders = landmark_and_outcome["score_d10"] <= landmark_and_outcome["score_baseline"] / 2
    assert responders.sum() == 2


def test_dia(realdata: Path, mappings: Path) -> None:
    cohort = read(realdata, mappings, "dia_hamd17", "dia-hamd17", "dia-hamd17")
    assert (cohort.counts.source_rows, cohort.counts.courses, cohort.counts.accepted) == (608, 172, 172)
    assert cohort.active.sum() == 84
    assert len(cohort.table["site"].unique()) > 1
    found = facts(cohort)
    assert found.loc[("drug", "w6"), ["n_both", "responders"]].tolist() == [64, 29]
    assert found.loc[("control", "w6"), ["n_both", "responders"]].tolist() == [65, 20]


def test_riesby(realdata: Path, mappings: Path) -> None:
    cohort = read(realdata, mappings, "riesby_hdrs", "riesby-hdrs", "riesby-hdrs")
    assert (cohort.counts.source_rows, cohort.counts.courses) == (375, 66)
    assert facts(cohort).loc[("imipramine", "w5"), ["n_both", "responders"]].tolist() == [53, 30]
    assert cohort.columns["endogenous"].concept == "symptom_profile"
    assert cohort.table["endogenous"].notna().all()
