"""The clinician's pages through HTTP: what is shown, what is recorded, what no address and no page holds."""

import itertools
import re

import pytest
from sqlalchemy import select

from ketapredict.explain.words import percent
from ketapredict.web.patient.course_list import PER_PAGE
from ketapredict.web.patient.view import patient_view
from ketapredict.web.store.schema import judgements, shown_predictions

VALID = {"course_id": "new-1", "diagnosis": "MDD", "scale": "MADRS", "score_baseline": "31", "score_24h": "20"}


def tokens(page: str) -> list[str]:
    return re.findall(r'href="/courses/([0-9a-f]{24})"', page)


def form_token(page: str) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', page)[1]


@pytest.fixture
def first(free_client, served):
    """The token of the first course that has an estimate."""
    row = next(row for row in sorted(served.rows, key=lambda r: r.course_id) if row.probability is not None)
    return served.tokens.token(row.course_id)


@pytest.fixture
def records(free_client):
    """What was recorded, in order."""

    def read():
        with free_client.app.state.server.database.read() as connection:
            return [dict(row) for row in connection.execute(select(shown_predictions)).mappings()]

    return read


def post(client, path, data, **headers):
    token = form_token(client.get("/courses").text)
    return client.post(path, data={"csrf_token": token} | data, headers=headers)


def test_the_list_shows_a_page_of_courses_and_records_each_shown_estimate(free_client, served, records):
    page = free_client.get("/courses")
    assert page.status_code == 200
    assert len(tokens(page.text)) == PER_PAGE
    shown = [r for r in sorted(served.rows, key=lambda r: r.course_id)[:PER_PAGE] if r.probability is not None]
    assert sorted(r["course_id"] for r in records()) == [r.course_id for r in shown]
    assert {r["surface"] for r in records()} == {"list"}
    assert f"{len(served.rows)} of {len(served.rows)} courses, page 1 of" in page.text


def test_a_search_travels_in_the_body_and_is_kept(free_client, served):
    wanted = sorted(row.course_id for row in served.rows)[40]
    page = post(free_client, "/courses", {"search": wanted, "sort": "probability"})
    assert tokens(page.text) == [served.tokens.token(wanted)]
    assert f'value="{wanted}"' in page.text
    assert '<option value="probability" selected>' in page.text
    assert not re.search(r'(href|action)="[^"]*simulated', page.text)


@pytest.mark.parametrize("form", [{"page": "x" * 9}, {"page": "-1"}, {"landmark": "?"}, {"scope": "'"}, {"sort": "\0"}])
def test_a_search_that_makes_no_sense_is_no_error(free_client, form):
    assert post(free_client, "/courses", form).status_code == 200


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("lowest", "12,5", "Expected a decimal point, not a comma"),
        ("highest", "many", "Expected a number from 0 to 100."),
        ("highest", "101", "Expected a number from 0 to 100."),
    ],
)
def test_a_percentage_that_is_none_is_told_beside_its_field_and_kept(free_client, field, text, expected):
    page = post(free_client, "/courses", {field: text})
    assert page.status_code == 422
    assert f'<p class="error" id="{field}-error" role="alert">{expected}' in page.text
    assert f'value="{text}" aria-invalid="true"' in page.text


@pytest.mark.parametrize("typed", ["12,5", "1,234", "1.234,5"])
def test_a_decimal_comma_is_asked_about_in_every_form(free_client, first, typed):
    said = "Expected a decimal point, not a comma"
    assert said in post(free_client, "/new", VALID | {"bmi_kg_m2": typed}).text
    assert said in post(free_client, "/new", VALID | {"score_24h": typed}).text
    assert said in post(free_client, "/courses", {"lowest": typed}).text
    assert said in post(free_client, f"/courses/{first}/judgement", {"own_percent": typed, "reason": "x"}).text
    assert said in post(free_client, f"/courses/{first}/what-if", {"landmark": "24h", "score_24h": typed}).text


def test_the_way_back_leads_to_what_was_searched_for(free_client, served, first):
    wanted = sorted(row.course_id for row in served.rows)[40]
    assert len(tokens(free_client.get("/courses/found").text)) == PER_PAGE  # nothing was searched for yet
    post(free_client, "/courses", {"search": wanted, "sort": "probability"})
    assert 'href="/courses/found"' in free_client.get(f"/courses/{first}").text
    page = free_client.get("/courses/found").text
    assert tokens(page) == [served.tokens.token(wanted)]
    assert f'value="{wanted}"' in page
    assert len(tokens(free_client.get("/courses").text)) == PER_PAGE  # the first link is all courses, as ever


def test_what_to_watch_stands_before_and_apart_from_the_probability(free_client, first, records):
    page = free_client.get(f"/courses/{first}").text
    assert page.index("What to watch in this patient") < page.index("What the model estimates")
    watch = page[page.index('class="monitoring"') : page.index('class="estimate-section"')]
    assert "in 10" not in watch
    assert 'data-rule="observation"' in watch
    assert "Label of esketamine" in watch
    # Courses of one infusion: rules of later ones are named with the reason why they do not apply.
    late = watch[watch.index('data-rule="late-improvement"') :]
    assert "this protocol has no rating after a third one" in late
    assert "58%" not in watch
    assert [r["surface"] for r in records()] == ["patient"]


def test_the_list_marks_in_words_what_is_to_be_acted_on_first(free_client, served):
    marked = 0
    for row in served.rows[:15]:
        token = served.tokens.token(row.course_id)
        found = patient_view(served.model, served.course(token)).notes_in("holds")
        listed = post(free_client, "/courses", {"search": row.course_id}).text
        for urgency in ("today", "before infusing"):
            count = sum(note.rule.urgency == urgency for note in found)
            assert (f"{urgency}: {count}" in listed) == bool(count)
            marked += bool(count)
    assert marked


def test_every_page_says_simulated_first_and_states_its_limits(free_client, first):
    for path in (
        "/",
        "/courses",
        "/new",
        "/model",
        f"/courses/{first}",
        f"/courses/{first}/summary",
        "/courses/nobody",
    ):
        page = free_client.get(path).text
        assert page.index("SIMULATED") < page.index("<main")
        assert "not a medical device" in page
        assert not re.search(r'(src|href)="(https?:)?//', page)
        assert " style=" not in page
        assert "<script>" not in page


def test_tables_and_headings_that_are_read_by_themselves_say_simulated_too(free_client, first):
    """What is copied or printed without the banner."""
    table = re.search("<caption>.*?</thead>", free_client.get("/courses").text, re.DOTALL)[0]
    assert "(model of SIMULATED courses)" in table
    for path in (f"/courses/{first}", f"/courses/{first}/summary"):
        headings = re.findall("<h2.*?</h2>", free_client.get(path).text)
        assert any("What the model estimates" in h and "SIMULATED" in h for h in headings)


def test_headings_come_in_order_and_every_field_has_its_label(free_client, first):
    for path in ("/courses", "/new", "/model", f"/courses/{first}", f"/courses/{first}/summary"):
        page = free_client.get(path).text
        levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        ids = re.findall(r'<(?:input|select|textarea)[^>]* id="([^"]+)"', page)
        assert set(ids) <= set(re.findall(r'<label for="([^"]+)"', page))
        assert len(set(re.findall(r' id="([^"]+)"', page))) == len(re.findall(r' id="([^"]+)"', page))


def test_an_unknown_course_or_landmark_is_not_found_and_not_recorded(free_client, first, records):
    for path in ("/courses/" + "0" * 24, "/courses/x/summary"):
        page = free_client.get(path)
        assert page.status_code == 404
        assert "There is no such page" in page.text
    for path in (f"/courses/{first}", f"/courses/{first}/summary"):
        for text in ("end", "73.91", "%3Cb%3E"):
            page = free_client.get(f"{path}?landmark={text}")
            assert page.status_code == 422
            assert "Expected a landmark of the model (24h, 72h); found another." in page.text
            assert "73.91" not in page.text
    for action in ("what-if", "judgement"):
        refused = post(free_client, f"/courses/{first}/{action}", {"landmark": "73.91", "own_percent": "5"})
        assert refused.status_code == 422
        assert "73.91" not in refused.text
    assert post(free_client, "/courses/nobody/what-if", {}).status_code == 404
    assert {r["surface"] for r in records()} <= {"list"}
    assert free_client.get(f"/courses/{first}?landmark=").status_code == 200  # the latest


def test_what_if_shows_another_estimate_marked_and_records_it_as_such(free_client, served, first, records):
    course = served.course(first)
    score = "0" if course.table["score_24h"].iat[0] > 0 else "40"
    answer = post(
        free_client, f"/courses/{first}/what-if", {"landmark": "24h", "score_24h": score}, **{"X-Fragment": "1"}
    )
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert answer.text.index("HYPOTHETICAL") < answer.text.index("in 10")
    assert f"to {score}." in answer.text
    own = served.model.explain(course, str(course.table["course_id"].iat[0]), "24h")
    shown = [r for r in records() if r["surface"] == "what-if"]
    assert len(shown) == 1
    assert shown[0]["probability"] != own.probability
    assert [r for r in records() if r["surface"] == "patient"] == []


def test_what_if_of_nothing_is_the_patients_own_estimate_to_the_last_digit(free_client, served, first, records):
    post(free_client, f"/courses/{first}/what-if", {"landmark": "24h"}, **{"X-Fragment": "1"})
    course = served.course(first)
    own = served.model.explain(course, str(course.table["course_id"].iat[0]), "24h")
    assert records()[-1]["probability"] == own.probability


def test_the_own_estimate_beside_a_hypothetical_one_is_recorded_at_whatever_landmark_it_is(
    free_client, served, records
):
    row = next(row for row in served.rows if row.landmark == "72h")
    course = served.course(served.tokens.token(row.course_id))
    address = f"/courses/{served.tokens.token(row.course_id)}"
    page = free_client.get(address).text
    assert [(r["surface"], r["landmark"]) for r in records()] == [("patient", "72h")]
    data = {"csrf_token": form_token(page), "landmark": "24h", "age_years": "33"}
    told = free_client.post(f"{address}/what-if", data=data).text
    shown = records()[1:]
    assert [(r["surface"], r["landmark"]) for r in shown] == [("beside what-if", "24h"), ("what-if", "24h")]
    own = served.model.explain(course, row.course_id, "24h")
    assert shown[0]["probability"] == own.probability
    assert f"own estimate: <strong>{percent(own.probability)}</strong>" in told
    # An input that cannot be: no number is shown, none is recorded.
    free_client.post(f"{address}/what-if", data=data | {"age_years": "999"})
    assert records()[3:] == []


def test_what_if_works_without_scripts_and_keeps_what_was_entered(free_client, first):
    page = post(free_client, f"/courses/{first}/what-if", {"landmark": "24h", "score_24h": "61"})
    assert page.status_code == 422
    assert "<html" in page.text
    assert 'value="61"' in page.text
    assert 'aria-invalid="true"' in page.text
    assert "0 to 60 points" in page.text
    page = post(free_client, f"/courses/{first}/what-if", {"landmark": "24h", "score_24h": "3"})
    assert page.status_code == 200
    assert 'value="3"' in page.text


def test_what_if_changes_no_identity(free_client, first, records):
    post(free_client, f"/courses/{first}/what-if", {"landmark": "24h", "course_id": "someone-else"})
    assert "someone-else" not in {r["course_id"] for r in records()}


def test_a_mistake_in_a_new_patient_is_repaired_and_its_page_has_no_patient_in_the_address(free_client, records):
    page = post(free_client, "/new", VALID | {"age_years": "412", "bmi_kg_m2": "24.5"})
    assert page.status_code == 422
    assert "There is something to repair" in page.text
    assert '<a href="#field-age_years">' in page.text
    assert 'value="412"' in page.text
    assert 'value="24.5"' in page.text
    assert page.text.count("412") == 1  # in its field alone
    assert records()[-1]["surface"] == "list"
    done = post(free_client, "/new", VALID | {"age_years": "41", "past_mania": "yes"})
    assert done.status_code == 303
    address = done.headers["location"]
    assert re.fullmatch("/courses/[0-9a-f]{24}", address)
    page = free_client.get(address)
    assert page.status_code == 200
    assert 'data-rule="switch-watch"' in page.text[: page.text.index("Could not be checked")]
    assert records()[-1]["surface"] == "new patient"
    assert free_client.get(address + "/summary").status_code == 200
    assert records()[-1]["surface"] == "print"


def test_a_course_is_completed_as_a_course_of_its_own(free_client, served, first, records):
    course = served.course(first)
    form = post(free_client, f"/courses/{first}/copy", {})
    assert form.status_code == 200
    assert f'value="{course.table["course_id"].iat[0]}"' in form.text
    assert form.text.count('<option value="MADRS"') == 1
    fields = dict(re.findall(r'<input id="field-[^"]+" name="([^"]+)" type="text" value="([^"]*)"', form.text))
    chosen = r'<select id="field-[^"]+" name="([^"]+)"(?:(?!</select>).)*<option value="([^"]*)" selected>'
    fields |= dict(re.findall(chosen, form.text, re.DOTALL))
    # Nothing of the course is lost on the way through the form: the picture, the rules and the record are the same.
    address = post(free_client, "/new", fields).headers["location"]
    page = free_client.get(address).text
    assert course.table["score_7d"].notna().all()
    assert "(day 7) is not in it" in page
    same = [record["inputs_hmac"] for record in records()[-1:]]
    free_client.get(f"/courses/{first}")
    assert same == [record["inputs_hmac"] for record in records()[-1:]]
    address = post(free_client, "/new", fields | {"urinary_symptoms": "yes"}).headers["location"]
    page = free_client.get(address).text
    assert 'data-rule="urinary-symptoms"' in page[: page.index("Could not be checked")]
    own = served.model.explain(course, str(course.table["course_id"].iat[0]))
    assert records()[-1]["probability"] == own.probability
    assert served.course(address.rpartition("/")[2]) is None  # the cohort has no further course
    assert post(free_client, "/courses/nobody/copy", {}).status_code == 404


def test_titles_name_no_course(free_client, served, first):
    course_id = str(served.course(first).table["course_id"].iat[0])
    for path in (f"/courses/{first}", f"/courses/{first}/summary"):
        page = free_client.get(path).text
        assert course_id in page
        assert course_id not in re.search("<title>(.*)</title>", page)[1]


def test_the_summary_is_the_same_estimate(free_client, first, records):
    free_client.get(f"/courses/{first}")
    page = free_client.get(f"/courses/{first}/summary").text
    on_page, printed = records()[-2:]
    assert (on_page["surface"], printed["surface"]) == ("patient", "print")
    assert on_page["probability"] == printed["probability"]
    assert "What to watch" in page
    assert page.index("What to watch") < page.index("What the model estimates")


def test_an_estimate_that_later_ratings_have_overtaken_says_so_wherever_it_is_shown(free_client, served):
    row = next(row for row in served.rows if "The outcome is known" in row.since)
    token = served.tokens.token(row.course_id)
    for path in (f"/courses/{token}", f"/courses/{token}/summary"):
        assert row.since in free_client.get(path).text
    assert row.since in post(free_client, "/courses", {"search": row.course_id}).text
    # A hypothetical patient has no outcome.
    assert row.since not in post(free_client, f"/courses/{token}/what-if", {}).text
    entered = post(free_client, "/new", VALID).headers["location"]
    assert 'class="caution since"' not in free_client.get(entered).text


def test_a_judgement_is_kept_beside_the_estimate_for_its_author_and_the_auditor(free_client, served, first):
    path = f"/courses/{first}/judgement"
    wrong = post(free_client, path, {"landmark": "24h", "own_percent": "1000", "reason": "sleeps <well>"})
    assert wrong.status_code == 422
    assert "Expected a number from 0 to 100." in wrong.text
    assert "sleeps &lt;well&gt;</textarea>" in wrong.text
    done = post(free_client, path, {"landmark": "24h", "own_percent": "85", "reason": "sleeps <well>"})
    assert done.status_code == 303
    # The newest is printed, escaped; whoever reloads the form that was shown again comes to the patient.
    printed = re.search('<p id="summary-judgement">.*?</p>', free_client.get(f"/courses/{first}/summary").text)[0]
    assert "85%" in printed
    assert "sleeps &lt;well&gt;" in printed
    again = free_client.get(path)
    assert (again.status_code, again.headers["location"]) == (303, f"/courses/{first}")
    page = free_client.get(done.headers["location"]).text
    course = served.course(first)
    own = served.model.explain(course, str(course.table["course_id"].iat[0]), "24h")
    assert f"you 85%, the model {percent(own.probability)}" in page
    assert "sleeps &lt;well&gt;" in page
    assert "sleeps &lt;well&gt;" in free_client.get("/audit/judgements").text
    with free_client.app.state.server.database.read() as connection:
        (kept,) = connection.execute(select(judgements)).mappings()
    assert (kept["own_probability"], kept["probability"], kept["landmark"]) == (0.85, own.probability, "24h")
    assert kept["trained_on"] == "simulated"
    assert post(free_client, "/courses/nobody/judgement", {"own_percent": "1", "reason": "x"}).status_code == 404


def test_a_posted_form_without_its_token_is_refused(free_client, first, records):
    for path in ("/courses", "/new", f"/courses/{first}/what-if", f"/courses/{first}/judgement"):
        assert free_client.post(path, data=VALID).status_code == 403
    assert records() == []


def test_a_server_without_courses_offers_the_form(short_model, open_client, tmp_path):
    from tests.web.conftest import TestClient

    from ketapredict.web.app import create_app
    from ketapredict.web.served import Served
    from ketapredict.web.settings import Settings, SignIn

    settings = Settings(database=f"sqlite:///{tmp_path}/e.db", key_file=tmp_path / "e.key", sign_in=SignIn.NONE)
    with TestClient(create_app(settings, Served(short_model)), base_url="http://localhost") as client:
        assert 'href="/new"' in client.get("/courses").text
