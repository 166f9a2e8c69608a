"""The pages of other kinds of models: remission, both arms, several scales, covariates of their own."""

import re

import numpy as np
import pytest
from tests.web.conftest import TestClient

from ketapredict.cohort.columns import Column
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.fitting import fit_response_model
from ketapredict.web.app import create_app
from ketapredict.web.patient.form import form_groups
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings, SignIn

SLEEP = Column("sleep_hours", "number", "sleep before the course", "sleep", unit="h", minimum=0, maximum=16)
LATE = Column("helper", "level", "who rated", "rater", known_at="24h", levels=("nurse", "physician"))


@pytest.fixture(scope="module")
def served(short_cohort):
    """A model of remission, trained on both arms and two scales, with covariates of its own; and its courses."""
    rng = np.random.default_rng(5)
    count = len(short_cohort)
    frame = short_cohort.table.astype(object).assign(
        sleep_hours=rng.integers(2, 11, count), helper=rng.choice(["nurse", "physician"], count)
    )
    frame.loc[::3, "arm"] = "control"
    frame.loc[::4, "scale"] = "HAMD-17"
    cohort = cohort_from_frame(frame, short_cohort.protocol, (SLEEP, LATE))
    assert len(cohort) > 100
    return Served(fit_response_model(cohort, outcome="remission", all_arms=True, seed=1)[0], cohort)


@pytest.fixture(scope="module")
def client(served, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    settings = Settings(database=f"sqlite:///{folder}/o.db", key_file=folder / "o.key", sign_in=SignIn.NONE)
    with TestClient(create_app(settings, served), base_url="http://localhost", follow_redirects=False) as opened:
        yield opened


def test_every_course_has_its_page_whether_it_can_be_predicted_or_not(client, served):
    refused = [row for row in served.rows if row.probability is None]
    assert refused
    for row in (*served.rows[:12], *refused[:4]):
        page = client.get(f"/courses/{served.tokens.token(row.course_id)}")
        assert page.status_code == 200
        assert ('id="probability"' in page.text) == (row.probability is not None)
        if row.probability is not None:
            assert "be in remission" in page.text
            assert "treatment arm" in page.text


def test_the_form_asks_for_arm_scale_and_the_models_own_covariates(client):
    page = client.get("/new").text
    for name in ("arm", "scale", "sleep_hours", "helper"):
        assert f'name="{name}"' in page
    assert "0 to 52 points on HAMD-17, 0 to 60 points on MADRS" in page
    assert "A number from 0 to 16 h." in page
    assert '<option value="physician">' in page


def test_a_new_patient_and_what_if(client):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/new").text)[1]
    course = {"course_id": "n", "diagnosis": "MDD", "scale": "HAMD-17", "score_baseline": "30", "score_24h": "20"}
    course |= {"arm": "control", "sleep_hours": "4.5", "csrf_token": token}
    # 55 points are within MADRS, and not within this course's scale.
    wrong = client.post("/new", data=course | {"score_24h": "55"})
    assert wrong.status_code == 422
    assert "0 to 52 points" in wrong.text
    address = client.post("/new", data=course).headers["location"]
    assert client.get(address).status_code == 200
    assert client.get(f"{address}/summary").status_code == 200
    what_if = {"csrf_token": token, "landmark": "24h", "arm": "ketamine", "score_24h": "3", "sleep_hours": "9"}
    answer = client.post(f"{address}/what-if", data=what_if, headers={"X-Fragment": "1"})
    assert answer.status_code == 200
    assert "treatment arm from control to ketamine" in answer.text
    assert "sleep before the course from 4.5 to 9" in answer.text


def test_a_hypothetical_course_that_cannot_be_predicted_says_why(client):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/new").text)[1]
    course = {"course_id": "n", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": "30", "score_24h": "20"}
    address = client.post("/new", data=course | {"csrf_token": token}).headers["location"]
    what_if = {"csrf_token": token, "landmark": "24h", "score_baseline": "5"}  # in remission already
    answer = client.post(f"{address}/what-if", data=what_if, headers={"X-Fragment": "1"})
    assert answer.status_code == 422
    assert "a baseline above the remission cut of the scale" in answer.text
    answer = client.post(f"{address}/what-if", data=what_if | {"score_24h": "", "score_baseline": "30"})
    assert answer.status_code == 422
    assert "a score at the landmark asked for" in answer.text


def test_the_help_of_a_score_is_that_of_the_patients_scale_where_it_is_known(served):
    def helps(entered):
        groups = form_groups(served.model.bundle, entered)
        return {field.column.name: field.help for group in groups for field in group.fields}

    assert helps({})["score_24h"] == "A total of the scale: 0 to 52 points on HAMD-17, 0 to 60 points on MADRS."
    assert helps({"scale": "MADRS"})["score_24h"] == "A total of the scale: 0 to 60 points on MADRS."
    assert "HAMD-17" not in helps({"scale": "MADRS"})["suicidality_item"]
