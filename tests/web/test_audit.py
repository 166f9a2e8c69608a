"""The auditor's pages: what was shown and what was refused, filtered without any course id in an address."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from tests.web.conftest import events, send_form
from tests.web.test_store import prediction_at

from ketapredict.web.accounts.roles import Role
from ketapredict.web.store.schema import shown_predictions


@pytest.fixture
def audited(client, sign_in):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [prediction_at(start + timedelta(hours=h), f"course-{h:03}", f"user{h % 2}") for h in range(230)]
    with client.app.state.server.database.write() as connection:
        connection.execute(insert(shown_predictions), rows)
    sign_in(client, Role.AUDITOR, "jane")
    return client


def test_newest_first_a_page_at_a_time(audited):
    first = audited.get("/audit").text
    assert "230 records" in first
    assert first.index("course-229") < first.index("course-130")
    assert "course-129" not in first
    before = str(230 - 100 + 1)
    second = send_form(audited, "/audit", "/audit/predictions/filter", before=before).text
    assert "course-129" in second
    assert "course-130" not in second
    last = send_form(audited, "/audit", "/audit/predictions/filter", before="31").text
    assert "course-000" in last
    assert "Older records" not in last


def test_filters_are_kept_in_the_form_and_in_no_address(audited):
    page = send_form(audited, "/audit", "/audit/predictions/filter", course_id="course-007", user_name="user1")
    assert "1 records" in page.text
    assert "course-007" not in str(page.url)
    assert 'name="course_id" value="course-007"' in page.text
    day = {"first": "2026-01-02", "last": "2026-01-02"}
    assert "24 records" in send_form(audited, "/audit", "/audit/predictions/filter", **day).text
    assert audited.get("/audit?course_id=course-007").text.count("course-007") == 0


def test_a_filter_that_is_none(audited):
    for fields in ({"first": "yesterday"}, {"last": "2026-02-30"}):
        answer = send_form(audited, "/audit", "/audit/predictions/filter", **fields)
        assert answer.status_code == 422
        assert "year-month-day" in answer.text
        assert send_form(audited, "/audit", "/audit/predictions/export", **fields).status_code == 422
    for fields in ({"before": "-1"}, {"before": "x"}, {"user_name": "a\x00"}, {"course_id": "x" * 201}):
        assert send_form(audited, "/audit", "/audit/predictions/filter", **fields).status_code == 422
    assert send_form(audited, "/audit", "/audit/else/filter").status_code == 422


def test_export_is_what_the_filter_lets_through_and_is_recorded(audited):
    answer = send_form(audited, "/audit", "/audit/predictions/export", user_name="user0")
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert len(rows) == 115
    assert {row["user_name"] for row in rows} == {"user0"}
    assert answer.headers["content-disposition"] == 'attachment; filename="ketapredict-predictions.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert events(audited)[-1] == ("records exported", "jane")
    exported = list(csv.DictReader(send_form(audited, "/audit", "/audit/events/export").text.splitlines()))
    assert [row["kind"] for row in exported][::-1][:2] == ["signed in", "records exported"]


def test_what_leaves_the_page_says_what_its_model_was_trained_on(client, sign_in, bearer):
    course = {"course_id": "c", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": 30, "score_24h": 18}
    told = client.post("/api/v1/predict", json={"courses": [course]}, headers=bearer()).json()
    assert told["predictions"][0]["trained_on"] == "simulated"
    sign_in(client, Role.AUDITOR, "jane")
    (row,) = csv.DictReader(send_form(client, "/audit", "/audit/predictions/export").text.splitlines())
    assert row["trained_on"] == "simulated"
    assert "<td>simulated</td>" in client.get("/audit").text


def test_events_have_their_page(audited):
    page = audited.get("/audit/events").text
    assert "signed in" in page
    assert "POST /sign-in" in page


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.DATA_SCIENTIST])
def test_nobody_else_sees_them(client, sign_in, role):
    sign_in(client, role, "john")
    for path in ("/audit", "/audit/events"):
        assert client.get(path).status_code == 403
    assert send_form(client, "/", "/audit/predictions/export").status_code == 403
    assert events(client)[1:] == [("page of another role", "john")] * 3


def test_what_was_recorded_is_text_and_no_markup(audited):
    with audited.app.state.server.database.write() as connection:
        attack = prediction_at(datetime.now(UTC), "<script>alert(1)</script>", "<b>")
        connection.execute(insert(shown_predictions).values(attack))
    page = audited.get("/audit").text
    assert "<script" not in page
    assert "&lt;script&gt;" in page
