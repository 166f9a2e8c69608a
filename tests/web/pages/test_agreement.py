"""Number, sum of contributions and sentences of 200 random patients: the page, the batch and the command agree."""

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from tests.web.conftest import TestClient

from ketapredict.cli import main
from ketapredict.cohort.read import read_cohort
from ketapredict.explain.words import percent, sentences, steps_largest_first
from ketapredict.simulate import simulate_cohort
from ketapredict.web.app import create_app
from ketapredict.web.patient.view import estimate_of
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings, SignIn
from ketapredict.web.templating import environment


@pytest.fixture(scope="module")
def file(tmp_path_factory, short_model):
    """Random patients that the model has not met."""
    path = tmp_path_factory.mktemp("strangers") / "cohort.csv"
    simulate_cohort(230, 77, short_model.bundle.protocol).to_csv(path, index=False, float_format="%g")
    return path


@pytest.fixture(scope="module")
def strangers(file, short_model):
    """200 of them, as the command reads them."""
    cohort = read_cohort(file, protocol=short_model.bundle.protocol, extras=short_model.bundle.extras)
    known = np.flatnonzero(short_model.predict(cohort)["probability"].notna())[:200]
    assert len(known) == 200
    return cohort.subset(np.isin(np.arange(len(cohort)), known))


def shown(page: str) -> tuple[str, list[str], float, float, list[float]]:
    """Number, sentences, start, total and contributions as a page shows them."""
    text = unescape(page)
    reasons = re.search(r'id="reasons">(.*?)</ol>', text, re.DOTALL)[1]
    start, total = re.search(r"Log-odds start at (\S+) and add up to (\S+):", text).groups()
    rows = re.findall(r'<tr><th scope="row">[^<]*</th><td class="n">([+-][\d.]+)</td>', text)
    number = re.search(r'id="probability">([^<]+)<', text)[1]
    return number, re.findall(r"<li>(.*?)</li>", reasons), float(start), float(total), [float(row) for row in rows]


def told_of(row: pd.Series, course, model) -> list[str]:
    """The sentences made anew from a row of the batch."""
    (fitted,) = [m for m in model.bundle.landmarks if m.landmark == row["landmark"]]
    parts = row[[name for name in row.index if name.startswith("shap_")]].dropna().astype(float)
    # Ties stand in the order of the model's concepts.
    concepts = [concept for concept in dict.fromkeys(f.concept for f in fitted.features) if f"shap_{concept}" in parts]
    values = np.array([parts[f"shap_{concept}"] for concept in concepts])
    steps = [step for step in steps_largest_first(row["base_logit"], tuple(concepts), values) if step[1] != 0.0]
    read = {name for feature in fitted.features for name in feature.columns}
    columns = {name: column for name, column in course.columns.items() if name in read}
    cells = {name: None if pd.isna(value) else value for name, value in course.table.iloc[0].to_dict().items()}
    return sentences(steps, cells, columns, course.protocol, row["landmark"])


@pytest.mark.slow
def test_the_page_says_what_the_batch_says_for_200_patients(short_model, strangers):
    scored = short_model.score(strangers).table
    parts = scored.loc[:, scored.columns.str.startswith("shap_")].sum(axis=1) + scored["base_logit"]
    np.testing.assert_allclose(parts, logit(scored["probability"]), atol=1e-9)
    template = environment().get_template("_estimate.html").module
    for place, row in scored.iterrows():
        course = strangers.subset(np.arange(len(strangers)) == place)
        estimate = estimate_of(short_model, course)
        page = template.number(estimate, "respond") + template.sentences(estimate) + template.steps_table(estimate)
        number, told, start, total, rows = shown(page)
        assert estimate.told.course_id == row["course_id"]
        assert estimate.told.probability == pytest.approx(row["probability"], abs=1e-12)
        assert number == percent(row["probability"])
        assert told == estimate.told.sentences == told_of(row, course, short_model)
        # Each of the numbers that a reader adds up is rounded to a thousandth.
        assert abs(start + sum(rows) - total) <= 0.0005 * (len(rows) + 2)
        assert abs(total - logit(row["probability"])) <= 0.0005 + 1e-9


def test_the_command_and_the_server_say_the_same(short_model, file, strangers, tmp_path, monkeypatch, capsys):
    short_model.save(tmp_path / "model")
    served = Served(short_model, strangers)
    settings = Settings(database=f"sqlite:///{tmp_path}/p.db", key_file=tmp_path / "p.key", sign_in=SignIn.NONE)
    with TestClient(create_app(settings, served), base_url="http://localhost") as client:
        for course_id in strangers.table["course_id"].iloc[[3, 90, 150]]:
            target = tmp_path / f"{course_id}.json"
            words = ("explain", file, "--course", course_id, "--model", tmp_path / "model", "--output", target)
            monkeypatch.setattr("sys.argv", ["ketapredict", *map(str, words)])
            with pytest.raises(SystemExit) as stopped:
                main()
            assert not stopped.value.code
            said = json.loads(target.read_text())
            number, told, start, total, rows = shown(client.get(f"/courses/{served.tokens.token(course_id)}").text)
            assert number == percent(said["probability"])
            assert told == said["sentences"]
            assert rows == [round(step["contribution"], 3) for step in said["steps"]]
            assert (start, total) == pytest.approx((said["base_logit"], logit(said["probability"])), abs=0.0005 + 1e-9)
    capsys.readouterr()
