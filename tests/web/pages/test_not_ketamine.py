"""A model of another treatment says so first, on every surface, and shows none of ketamine's monitoring notes."""

import re
from dataclasses import replace

import pytest
from tests.web.conftest import TestClient

from ketapredict.cli import main
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.monitoring import monitoring_notes
from ketapredict.response_model import ResponseModel
from ketapredict.web.app import create_app
from ketapredict.web.served import Served
from ketapredict.web.settings import Settings, SignIn

SAID = "NOT ketamine: the protocol's active treatment is `drug`"


@pytest.fixture(scope="module")
def served(short_model, short_cohort):
    """The small model, as if its courses had been of another drug."""
    protocol = replace(short_model.bundle.protocol, active_treatment="drug")
    frame = short_cohort.table.astype(object).assign(arm="drug")
    return Served(
        ResponseModel(replace(short_model.bundle, protocol=protocol)), cohort_from_frame(frame.head(30), protocol)
    )


@pytest.fixture(scope="module")
def client(served, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drug")
    settings = Settings(database=f"sqlite:///{folder}/d.db", key_file=folder / "d.key", sign_in=SignIn.NONE)
    with TestClient(create_app(settings, served), base_url="http://localhost") as opened:
        yield opened


def test_the_statement_says_it_in_its_first_sentence_and_stays_simulated(served, short_model):
    first = served.model.bundle.statement.split(". ")[0]
    assert first.startswith("SIMULATED")
    assert SAID in first
    assert "NOT ketamine" not in short_model.bundle.statement


def test_every_page_says_it_in_the_banner_and_none_shows_a_rule(client, served):
    token = served.tokens.token(next(row.course_id for row in served.rows if row.probability is not None))
    for path in ("/courses", "/new", "/model", f"/courses/{token}", f"/courses/{token}/summary"):
        page = client.get(path).text
        assert SAID in page[: page.index("<main")].replace("&#39;", "'")
        assert "data-rule" not in page
        assert "58% of those" not in page
        assert "urinary symptoms" not in page
    for path in (f"/courses/{token}", f"/courses/{token}/summary"):
        assert "There are no monitoring notes here for this treatment" in client.get(path).text


def test_the_machine_is_told_too(client):
    course = {"course_id": "c", "diagnosis": "BD-I", "scale": "MADRS", "score_baseline": 30, "score_24h": 18}
    told = client.post("/api/v1/predict", json={"courses": [course]}).json()
    assert SAID in told["statement"]
    assert (told["rules"], told["monitoring"][0]["notes"]) == ([], [])
    assert client.get("/api/v1/schema").json()["questions"] == []
    assert client.post("/api/v1/predict", json={"courses": [course | {"past_mania": True}]}).status_code == 422


@pytest.mark.parametrize("name", ["ketamine", "Esketamine", "racemic ketamine"])
def test_what_is_ketamine_by_its_name_has_its_notes(served, name):
    course = {"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30.0}
    assert monitoring_notes(course, replace(served.model.bundle.protocol, active_treatment=name), "pre")
    assert monitoring_notes(course, served.model.bundle.protocol, "pre") == ()


def test_explain_and_score_say_it_first(served, tmp_path, monkeypatch, capsys):
    served.model.save(tmp_path / "model")
    cohort = tmp_path / "cohort.csv"
    frame = served.cohort.table.astype(object)
    frame.to_csv(cohort, index=False)
    course = next(row.course_id for row in served.rows if row.probability is not None)
    model = ("--model", str(tmp_path / "model"))

    def run(*words: str) -> tuple[str, str]:
        monkeypatch.setattr("sys.argv", ["ketapredict", *words])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        return capsys.readouterr()

    told, _ = run("explain", str(cohort), "--course", course, *model)
    assert SAID in told.splitlines()[0]
    _, told = run("score", str(cohort), "--output", str(tmp_path / "s.csv"), *model)
    assert SAID in re.sub(r"\s+", " ", told).split(". ")[0]
    _, told = run("explain", str(cohort), "--course", course, "--output", str(tmp_path / "why.html"), *model)
    page = (tmp_path / "why.html").read_text().replace("&#x27;", "'")
    assert SAID in page[: page.index("<h1>")]
