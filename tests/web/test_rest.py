"""The REST interface: the same numbers, the same rules, no value in a refusal, everything shown is recorded."""

import json

import numpy as np
import pandas as pd
import pytest
from tests.web.conftest import events

from ketapredict.cohort.columns import declared_columns
from ketapredict.monitoring import monitoring_questions
from ketapredict.web.accounts.machine_tokens import add_token, revoke_token
from ketapredict.web.accounts.roles import Role
from ketapredict.web.patient.view import patient_view
from ketapredict.web.store.records import Filter, page_of
from ketapredict.web.store.schema import shown_predictions

PREDICT = "/api/v1/predict"
SECRET = "73.91"


def course(**values: object) -> dict[str, object]:
    fixed = {"course_id": "c1", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30, "score_24h": 18}
    return fixed | values


def as_json(table: pd.DataFrame) -> list[dict[str, object]]:
    """Courses as an EHR would send them: empty cells left out."""
    rows = table.astype(object).to_dict("records")
    yes_no = {True: "yes", False: "no"}
    kinds = {name: str(dtype) for name, dtype in table.dtypes.items()}
    assert kinds["course_id"] == "str"
    return [
        {
            name: yes_no.get(value, value) if isinstance(value, bool) else value
            for name, value in row.items()
            if not pd.isna(value)
        }
        for row in rows
    ]


def shown(client) -> list[dict[str, object]]:
    return page_of(client.app.state.server.database, shown_predictions, Filter(), rows=10_000)[::-1]


def test_every_number_and_sentence_is_that_of_explain(client, bearer, short_cohort, short_model):
    answer = client.post(PREDICT, json={"courses": as_json(short_cohort.table)}, headers=bearer())
    assert answer.status_code == 200, answer.text
    told = answer.json()
    predictable = short_model.score(short_cohort).table
    assert [p["course_id"] for p in told["predictions"]] == predictable["course_id"].tolist()
    assert told["courses"] == told["predicted"] + told["rejected"] == len(short_cohort)
    assert told["statement"].startswith("SIMULATED")
    assert any("The outcome is known" in prediction["since"] for prediction in told["predictions"])
    for prediction in told["predictions"][::7]:
        same = short_model.explain(short_cohort, prediction["course_id"])
        assert prediction["probability"] == pytest.approx(same.probability, abs=1e-12)
        assert (prediction["interval"]["low"], prediction["interval"]["high"]) == (same.p_low, same.p_high)
        assert (prediction["in_scope"], prediction["notes"]) == (same.in_scope, same.notes)
        assert prediction["sentences"] == same.sentences
        assert prediction["since"] == same.since
        assert (prediction["later_ratings"], prediction["had_outcome"]) == (list(same.later_ratings), same.had_outcome)
        steps = [(c["concept"], c["log_odds"]) for c in prediction["contributions"]]
        assert [name for name, _ in steps] == [step[0] for step in same.steps]
        log_odds = prediction["base_logit"] + sum(value for _, value in steps)
        assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(prediction["probability"], abs=1e-12)


def test_what_the_page_shows_beside_the_number_is_told_too(client, bearer, served, short_cohort, short_model):
    """Notes, what is not known of the patient, the training courses' rate: those of the page, course by course."""
    told = client.post(PREDICT, json={"courses": as_json(short_cohort.table)}, headers=bearer()).json()
    rules = {rule["id"]: rule for rule in told["rules"]}
    assert [course["course_id"] for course in told["monitoring"]] == short_cohort.table["course_id"].tolist()
    predicted = {prediction["course_id"]: prediction for prediction in told["predictions"]}
    assert len(predicted) < len(told["monitoring"])  # what is to be watched does not depend on an estimate
    for notes in told["monitoring"][::9]:
        view = patient_view(short_model, served.course(served.tokens.token(notes["course_id"])))
        assert [(n["rule"], n["state"], n["words"], tuple(n["missing"]), n["known_at"]) for n in notes["notes"]] == [
            (n.rule.id, n.state, n.words, n.missing, n.known_at) for n in view.notes
        ]
        for note, shown_note in zip(notes["notes"], view.notes, strict=True):
            rule = rules[note["rule"]]
            assert note["urgency"] == rule["urgency"] == shown_note.rule.urgency
            assert rule["certainty"] == shown_note.rule.certainty
            assert [s["citation"] for s in rule["sources"]] == [s.citation for s in shown_note.rule.sources] != []
        if view.estimate is None:
            assert notes["course_id"] not in predicted
            continue
        prediction, estimate = predicted[notes["course_id"]], view.estimate
        missing = [(found["name"], found["label"]) for found in prediction["missing_inputs"]]
        assert missing == [(found.name, found.label) for found in estimate.missing]
        assert prediction["verdicts"] is None  # this model was fitted, and not cross-validated
        assert prediction["training_rate"] == estimate.told.training_rate
        assert (prediction["training_courses"], prediction["updating_rate"]) == (estimate.told.training_courses, None)


def test_the_questions_of_the_page_are_asked_and_answered(client, bearer):
    headers = bearer()
    asked = client.get("/api/v1/schema", headers=headers).json()["questions"]
    assert [question["name"] for question in asked] == [question.name for question in monitoring_questions()]
    assert all(question["label"] for question in asked)
    yes_no = [question for question in asked if question["expectation"] == "yes or no"]
    assert [q["name"] for q in asked if q not in yes_no] == [
        "systolic_mmhg_today", "diastolic_mmhg_today", "suicidality_item_today",
    ]  # fmt: skip
    plain = client.post(PREDICT, json={"courses": [course()]}, headers=headers).json()
    answers = {question["name"]: True for question in yes_no}
    told = client.post(PREDICT, json={"courses": [course(**answers)]}, headers=headers).json()

    def states(answer):
        return {note["rule"]: note["state"] for note in answer["monitoring"][0]["notes"]}

    for rule in ("vascular-contraindication", "hypersensitivity", "pregnancy", "cardiac", "urinary-symptoms"):
        assert (states(plain)[rule], states(told)[rule]) == ("unknown", "holds")
    assert told["predictions"] == plain["predictions"]  # they have no part in the estimate
    wrong = client.post(PREDICT, json={"courses": [course(urinary_symptoms="perhaps")]}, headers=headers)
    assert wrong.status_code == 422
    assert [(r["column"], r["rule"]) for r in wrong.json()["rejects"]] == [("urinary_symptoms", "yes or no")]


def test_without_an_estimate_there_is_all_the_same_what_to_watch(client, bearer):
    answer = client.post(PREDICT, json={"courses": [course(score_24h=None, systolic_mmhg=170)]}, headers=bearer())
    assert answer.status_code == 200
    told = answer.json()
    assert (told["predicted"], told["rejected"], told["predictions"]) == (0, 1, [])
    assert [r["rule"] for r in told["rejects"]] == ["landmark"]
    assert {"blood-pressure", "observation"} <= {
        note["rule"] for note in told["monitoring"][0]["notes"] if note["state"] == "holds"
    }
    assert shown(client) == []


def test_what_is_shown_is_recorded_and_what_is_not_shown_is_not(client, bearer):
    headers = bearer()
    courses = [course(), course(course_id="c2", score_baseline=900), course(course_id="c3", score_24h=None)]
    told = client.post(PREDICT, json={"courses": courses}, headers=headers).json()
    assert [p["course_id"] for p in told["predictions"]] == ["c1"]
    assert [(r["row"], r["column"], r["rule"]) for r in told["rejects"]] == [
        (2, "score_baseline", "range"),
        (3, None, "landmark"),
    ]
    records = shown(client)
    assert [(r["course_id"], r["user_name"], r["surface"]) for r in records] == [
        ("c1", "token:machine-clinician", "rest")
    ]
    assert records[0]["probability"] == told["predictions"][0]["probability"]
    assert records[0]["model_sha256"] == told["model"]["sha256"]
    client.post(PREDICT, json={"courses": [course(score_baseline=0)]}, headers=headers)
    assert len(shown(client)) == 1


def test_one_landmark_for_all(client, bearer):
    headers = bearer()
    sent = {"courses": [course(score_72h=12)]}
    assert client.post(PREDICT, json=sent, headers=headers).json()["predictions"][0]["landmark"] == "72h"
    earlier = client.post(PREDICT, json=sent | {"landmark": "24h"}, headers=headers).json()
    assert earlier["predictions"][0]["landmark"] == "24h"
    refused = client.post(PREDICT, json=sent | {"landmark": SECRET}, headers=headers)
    assert refused.status_code == 422
    assert SECRET not in refused.text


def test_numbers_may_come_as_text_and_yes_as_a_boolean(client, bearer, short_model):
    headers = bearer()
    answers = [
        client.post(PREDICT, json={"courses": [course(**values)]}, headers=headers).json()["predictions"][0]
        for values in (
            {"score_24h": 18, "age_years": 44.5, "failed_ect": True, "sex": "Female"},
            {"score_24h": "18", "age_years": " 44.5 ", "failed_ect": "yes", "sex": "female", "bmi_kg_m2": "NA"},
        )
    ]
    assert answers[0] == answers[1]
    assert len({record["inputs_hmac"] for record in shown(client)}) == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"courses": []}', 422),
        (b'{"courses": [{}]}', 422),
        (b'{"courses": [1]}', 422),
        (b'{"courses": [{"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": NaN}]}', 422),
        (b'{"courses": [{"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 1e999}]}', 422),
        (
            b'{"courses": [{"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 1%s}]}'
            % (b"0" * 400),
            422,
        ),
        (b'{"courses": [{"course_id": "\\ud800", "diagnosis": "MDD"}]}', 422),
        (b'{"courses": [{"course_id": "a\\u0000b", "diagnosis": "MDD"}]}', 422),
        (b'{"courses": [{"course_id": 7, "diagnosis": "MDD"}]}', 422),
        (b'{"courses": [{"course_id": "c", "diagnosis": {"a": 1}}]}', 422),
        (b'{"courses": [{"course_id": "c", "score_24h": true}]}', 422),
        (b"\xff\xfe", 422),
        (b"[" * 100_000, 400),
    ],
)
def test_what_is_no_request_is_refused_as_a_problem(client, bearer, sent, status):
    answer = client.post(PREDICT, content=sent, headers=bearer() | {"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"]) == ("about:blank", status)
    assert told["title"]
    assert told["detail"]


@pytest.mark.parametrize(
    "values",
    [
        {"age_years": f"{SECRET} years"},
        {"diagnosis": SECRET},
        {"score_24h": 73.91},
        {"course_id": None, "site": SECRET},
        {"nickname": SECRET},
        {SECRET: 1},
        {"age_years": [SECRET]},
        {"sex": "x" * 300 + SECRET},
        {"sex": 73.91},
    ],
)
def test_no_refusal_repeats_what_was_sent(client, bearer, values):
    answer = client.post(PREDICT, json={"courses": [course(**values)]}, headers=bearer())
    assert answer.status_code == 422
    assert SECRET not in answer.text
    assert "c1" not in answer.text
    told = answer.json()
    assert told.get("errors") or told.get("rejects")


def test_the_same_rules_as_in_every_table(client, bearer, short_model):
    """Every rule that a broken cell breaks in a file, it breaks here."""
    from ketapredict.cohort.read import cohort_from_frame

    rows = [
        course(course_id="a", score_baseline=0),
        course(course_id="b", scale="Hamilton"),
        course(course_id="c", score_24h=61),
        course(course_id="d"),
        course(course_id="d"),
        course(course_id="e", scale="PHQ-9", score_baseline=20, score_24h=10),
        course(course_id="f", failed_trials="many"),
        course(course_id="g", arm="placebo"),
        course(course_id="h", diagnosis=None),
        course(course_id="i", scale="HAMD-17", score_baseline=24, score_24h=12),
    ]
    told = client.post(PREDICT, json={"courses": rows}, headers=bearer()).json()
    bundle = short_model.bundle
    cohort = cohort_from_frame(pd.DataFrame(rows), bundle.protocol, bundle.extras)
    expected = pd.concat([cohort.rejects, short_model.score(cohort).refused]) if len(cohort) else cohort.rejects
    found = {(r["row"], r["column"] or "", r["rule"], r["expected"]) for r in told["rejects"]}
    assert found == set(zip(expected["row"], expected["column"], expected["rule"], expected["expected"], strict=True))
    assert len(found) >= 9


def test_limits(open_client, settings, bearer, client):
    from dataclasses import replace

    headers = bearer()
    few = open_client(replace(settings, max_courses=3, max_body_bytes=2000))
    assert few.post(
        PREDICT, json={"courses": [course(course_id=f"c{n}") for n in range(3)]}, headers=headers
    ).is_success
    many = few.post(PREDICT, json={"courses": [course(course_id=f"c{n}") for n in range(4)]}, headers=headers)
    large = few.post(PREDICT, content=b" " * 2001, headers=headers)
    unannounced = few.post(PREDICT, content=iter([b" " * 1000] * 3), headers=headers)
    for answer in (many, large, unannounced):
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_who_may(client, bearer, sign_in):
    database = client.app.state.server.database
    sent = {"courses": [course()]}
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}):
        answer = client.post(PREDICT, json=sent, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert events(client) == []
    assert client.post(PREDICT, json=sent, headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.get("/api/v1/model", headers=bearer(Role.AUDITOR)).status_code == 200
    token = {"Authorization": f"Bearer {add_token(database, 'auditor', Role.AUDITOR, 1)}"}
    assert client.post(PREDICT, json=sent, headers=token).status_code == 403
    scientist = {"Authorization": f"Bearer {add_token(database, 'lab', Role.DATA_SCIENTIST, 1)}"}
    assert client.post(PREDICT, json=sent, headers=scientist).status_code == 200
    revoke_token(database, "lab")
    assert client.post(PREDICT, json=sent, headers=scientist).status_code == 401
    expired = {"Authorization": f"Bearer {add_token(database, 'old', Role.CLINICIAN, -1)}"}
    assert client.post(PREDICT, json=sent, headers=expired).status_code == 401
    wrong = ("token of a machine unknown, expired or revoked", "")
    assert events(client) == [wrong, ("page of another role", "token:auditor"), wrong, wrong]
    # A browser's session is no way in: what changes nothing here needs no form's token then.
    sign_in(client)
    assert client.post(PREDICT, json=sent).status_code == 401


def test_the_schema_is_that_of_the_declarations(client, bearer, short_model):
    told = client.get("/api/v1/schema", headers=bearer(Role.DATA_SCIENTIST)).json()
    bundle = short_model.bundle
    declared = declared_columns(bundle.protocol, bundle.extras)
    assert [column["name"] for column in told["columns"]] == list(declared)
    by_name = {column["name"]: column for column in told["columns"]}
    assert by_name["age_years"]["minimum"] == 12
    assert by_name["age_years"]["unit"] == "years"
    assert by_name["scale"]["levels"] == ["MADRS"]
    assert by_name["score_24h"]["read_at"] == ["24h", "72h"]
    assert by_name["score_7d"]["read_at"] == []
    assert told["scales"] == [{"name": "MADRS", "maximum": 60, "suicidality_item_maximum": 6}]
    assert told["landmarks"] == ["24h", "72h"]


def test_the_model_says_what_it_is(client, bearer, short_model):
    told = client.get("/api/v1/model", headers=bearer()).json()
    assert told["statement"].startswith("SIMULATED")
    assert (told["sha256"], told["version"]) == (short_model.sha256, short_model.version)
    assert [landmark["landmark"] for landmark in told["landmarks"]] == ["24h", "72h"]
    assert told["provenance"]["seed"] == 3
    assert [(b["time_point"], b["with_outcome"], b["courses"]) for b in told["bands"]] == [
        (b.time_point, b.with_outcome, b.courses) for b in short_model.bundle.bands
    ]
    assert json.dumps(told, allow_nan=False)


def test_health_and_readiness_ask_for_nobody(client):
    assert client.get("/api/v1/health").json() == {"status": "alive"}
    assert client.get("/api/v1/ready").json() == {"status": "ready"}
    from sqlalchemy import text

    with client.app.state.server.database.write() as connection:
        for table in ("sessions", "accounts"):
            connection.execute(text(f"DROP TABLE {table}"))
    answer = client.get("/api/v1/ready")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


def test_what_is_not_there_is_a_problem_too(client):
    for method, path, status in (("GET", "/api/v1/none", 404), ("DELETE", "/api/v1/health", 405)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    page = client.get("/none")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_the_description_says_what_the_model_was_trained_on_and_every_refusal(client):
    described = client.get("/api/v1/openapi.json").json()
    assert described["info"]["description"].startswith("SIMULATED")
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert {"403", "421", "500"} <= set(operation["responses"]), path
            assert ("401" in operation["responses"]) == (path.rpartition("/")[2] not in ("health", "ready"))
    refused = client.get("/api/v1/health", headers={"Host": "evil.example"})
    assert (refused.status_code, refused.headers["content-type"]) == (421, "application/problem+json")
