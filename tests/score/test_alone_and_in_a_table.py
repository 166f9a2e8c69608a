"""One course alone gives exactly what it gives in a table of many, whichever way it comes in."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.read import cohort_from_cells, cohort_from_frame, read_cohort
from ketapredict.simulate import simulate_cohort

# What people and programs put into cells, right or wrong.
TEXTS = "NA yes No TRUE 0 12.5 12,5 1e3 nan many female BD-II MADRS HAMD-17 PHQ-9 current control ketamine inf 1e999"
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 130),
    st.floats(0, 70).map(lambda number: round(number, 1)),
    st.sampled_from(["", " ", " 7 ", " Male", "simulated-x", "\u00b2", *TEXTS.split()]),
)


@pytest.fixture(scope="module")
def complete(short_cohort) -> list[dict[str, object]]:
    """Valid courses, as a program would send them."""
    table = simulate_cohort(40, 11, short_cohort.protocol).astype(object)
    return [{name: cell for name, cell in row.items() if not pd.isna(cell)} for row in table.to_dict("records")]


def told_of(cohort: Cohort, model) -> dict[str, str]:
    """Return everything that is told of each course, to the last digit, by its id."""
    scored, refused, _ = model.score_columns(cohort)
    told: dict[str, dict[str, object]] = {}
    for row in (*cohort.rejects.to_dict("records"), *refused.to_dict("records")):
        rules = told.setdefault(row["course_id"], {}).setdefault("rules", [])
        rules.append((row["column"], row["rule"], row["expected"]))
    for course in cohort.courses.plain_rows():
        told.setdefault(course["course_id"], {})["course"] = course
    for result in scored.plain_rows():
        told[result["course_id"]]["result"] = result
    return {name: json.dumps(found, sort_keys=True) for name, found in told.items()}


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_alone_and_in_a_table(data, short_model, complete):
    protocol = short_model.bundle.protocol
    names = [name for name in declared_columns(protocol) if name != "course_id"]
    changes = st.lists(st.dictionaries(st.sampled_from(names), CELLS, max_size=6), min_size=1, max_size=8)
    places = data.draw(st.permutations(range(len(complete))))
    changed = zip(places, data.draw(changes), strict=False)
    courses = [complete[place] | change for place, change in changed]
    table = pd.DataFrame(courses).reindex(columns=["course_id", *names])
    together = told_of(cohort_from_frame(table, protocol), short_model)
    assert set(together) == {course["course_id"] for course in courses}
    for course in courses:
        cells = {name: np.array([course.get(name)], dtype=object) for name in ("course_id", *names)}
        sent = cohort_from_cells(cells, 1, protocol)
        framed = cohort_from_frame(pd.DataFrame([course]).reindex(columns=["course_id", *names]), protocol)
        for alone in (sent, framed):
            assert told_of(alone, short_model) == {course["course_id"]: together[course["course_id"]]}
        if "result" in (found := json.loads(together[course["course_id"]])):
            told = short_model.explain(sent, course["course_id"])
            assert (told.probability, told.notes) == (found["result"]["probability"], found["result"]["notes"])
            assert short_model.predict(sent)["probability"].tolist() == [told.probability]


def test_alone_and_among_thousands(short_model, complete):
    """Of so many, what they share is computed once."""
    protocol = short_model.bundle.protocol
    names = [name for name in declared_columns(protocol) if name != "course_id"]
    rng = np.random.default_rng(4)
    table = simulate_cohort(12_000, 12, protocol).reindex(columns=["course_id", *names])
    for name, values in {
        "score_24h": [0, -0.0, 33.3, 60, 59.95],
        "age_years": [18.25, 300, 71],
        "bmi_kg_m2": [22.123456, 1e9, 15],
        "score_baseline": [20.5, 60, 1e-3],
    }.items():
        table[name] = table[name].astype(float)
        table.loc[rng.choice(len(table), 900, replace=False), name] = rng.choice(values, 900)
    cohort = cohort_from_frame(table, protocol)
    assert cohort.courses.different(["score_72h", "scale"]) is not None
    together = told_of(cohort, short_model)
    for row in rng.choice(len(table), 150, replace=False):
        alone = told_of(cohort_from_frame(table.iloc[[row]], protocol), short_model)
        assert alone == {name: together[name] for name in alone}


def test_a_file_of_one_course_and_a_file_of_many(short_model, complete, tmp_path):
    protocol = short_model.bundle.protocol
    table = pd.DataFrame(complete)
    table.to_csv(tmp_path / "many.csv", index=False)
    together = told_of(read_cohort(tmp_path / "many.csv", protocol=protocol), short_model)
    for row in range(0, len(table), 7):
        table.iloc[[row]].to_csv(tmp_path / "one.csv", index=False)
        alone = told_of(read_cohort(tmp_path / "one.csv", protocol=protocol), short_model)
        assert alone.items() <= together.items()
