"""The store, on SQLite and on a real PostgreSQL: the same tests for both."""

import re
import stat
import threading
import warnings
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.errors import ServerError
from ketapredict.web.accounts.current_user import NOBODY
from ketapredict.web.keys import Keys
from ketapredict.web.store.database import Database
from ketapredict.web.store.recorder import Recorder, Shown, Surface
from ketapredict.web.store.records import RECORDS, Filter, count_of, csv_of, page_of, purge
from ketapredict.web.store.schema import judgements, metadata, purges, security_events, shown_predictions


@pytest.fixture
def recorder(database, short_model):
    return Recorder(database, Keys(b"k" * 32), short_model)


@pytest.fixture
def scored(short_model, short_cohort):
    return short_model.score(short_cohort).table


def event_at(moment: datetime, user: str = "jane") -> dict[str, object]:
    return {"at": moment, "kind": "signed in", "user_name": user, "address": "127.0.0.1", "route": "POST /sign-in"}


def prediction_at(moment: datetime, course: str = "c1", user: str = "jane") -> dict[str, object]:
    return {
        "at": moment, "user_name": user, "surface": "rest", "course_id": course, "inputs_hmac": "0" * 64,
        "model_name": "m", "model_version": "1", "model_sha256": "0" * 64, "landmark": "24h", "outcome": "response",
        "probability": 0.5,
    }  # fmt: skip


def judgement_at(moment: datetime) -> dict[str, object]:
    shown = {name: value for name, value in prediction_at(moment).items() if name != "surface"}
    return shown | {"own_probability": 0.7, "reason": "she slept"}


def test_migrations_and_declarations_say_the_same(database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.read() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLite's reflection does not know every type by name
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing_and_several_may_start_at_once(database_url):
    problems = []

    def start() -> None:
        opened = Database(database_url)
        try:
            opened.migrate()
        except Exception as error:
            problems.append(error)
        finally:
            opened.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_records_of_an_earlier_version_are_kept_and_stay_closed(database_url):
    """A store of before what the model was trained on was recorded is brought up to date with all that is in it."""
    from alembic import command
    from alembic.config import Config

    from ketapredict.web.store.database import MIGRATIONS

    earlier = Database(database_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    row = {name: value for name, value in prediction_at(datetime.now(UTC)).items() if name != "at"}
    columns, names = ", ".join(row), ", ".join(f":{name}" for name in row)
    moment = "'2026-01-01 00:00:00.000000'"
    with earlier.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.execute(
            text(f"INSERT INTO shown_predictions (at, {columns}) VALUES ({moment}, {names})"),
            row,
        )
    earlier.migrate()
    (kept,) = page_of(earlier, shown_predictions, Filter())
    assert {name: kept[name] for name in row} == row
    assert kept["trained_on"] == ""
    with pytest.raises(DBAPIError, match="only added to"), earlier.write() as connection:
        connection.execute(text("UPDATE shown_predictions SET trained_on = 'real'"))
    earlier.close()


def test_a_database_of_a_later_version_is_refused(database):
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ServerError, match="later version"):
        database.migrate()


def test_moments_come_back_as_they_went_in(database):
    moment = datetime(2026, 3, 29, 0, 59, 59, 123456, UTC)
    with database.write() as connection:
        connection.execute(insert(security_events).values(event_at(moment.astimezone())))
    with database.read() as connection:
        assert connection.execute(select(security_events.c.at)).scalar_one() == moment
    with pytest.raises(Exception, match="time zone"), database.write() as connection:
        connection.execute(insert(security_events).values(event_at(datetime(2026, 3, 29))))


@pytest.mark.parametrize("table", ["shown_predictions", "security_events", "judgements", "purges"])
def test_what_is_recorded_can_neither_be_changed_nor_removed(database, table):
    now = datetime.now(UTC)
    with database.write() as connection:
        connection.execute(insert(shown_predictions).values(prediction_at(now)))
        connection.execute(insert(security_events).values(event_at(now)))
        connection.execute(insert(judgements).values(judgement_at(now)))
    purge(database, 30, "somebody")
    statements = [f"UPDATE {table} SET user_name = 'x'", f"DELETE FROM {table}"]
    if database.is_sqlite:
        statements.append(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")
    else:
        statements.append(f"TRUNCATE {table}")
    for statement in statements:
        why = f"{table} (is only added to|keeps what is younger)"
        with pytest.raises(DBAPIError, match=why), database.write() as connection:
            connection.execute(text(statement))
    with database.read() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 1


def test_retention_removes_what_is_old_and_only_that(database):
    now = datetime.now(UTC)
    ages = (0, 10, 39, 41, 400)
    with database.write() as connection:
        for days in ages:
            connection.execute(insert(shown_predictions).values(prediction_at(now - timedelta(days=days), f"{days}")))
            connection.execute(insert(security_events).values(event_at(now - timedelta(days=days))))
            connection.execute(insert(judgements).values(judgement_at(now - timedelta(days=days))))
    assert purge(database, 40, "root") == (2, 2, 2)
    assert {row["course_id"] for row in page_of(database, shown_predictions, Filter())} == {"0", "10", "39"}
    assert count_of(database, security_events, Filter()) == 3
    with database.read() as connection:
        kept = connection.execute(select(purges)).mappings().one()
    assert (kept["user_name"], kept["predictions"], kept["events"], kept["judgements"]) == ("root", 2, 2, 2)
    with pytest.raises(ServerError, match="30 days"):
        purge(database, 29, "root")


def test_no_purge_by_other_means_reaches_into_the_shortest_time(database):
    now = datetime.now(UTC)
    row = {"at": now, "user_name": "x", "predictions": 0, "events": 0, "judgements": 0}
    for cutoff in (now + timedelta(days=1000), now - timedelta(days=29)):
        with pytest.raises(DBAPIError, match="shortest retention time"), database.write() as connection:
            connection.execute(insert(purges).values(row | {"cutoff": cutoff}))


def test_the_last_day_of_the_calendar_can_be_asked_for(database):
    with database.write() as connection:
        connection.execute(insert(security_events).values(event_at(datetime.now(UTC))))
    assert count_of(database, security_events, Filter(last=date.max)) == 1


def test_a_table_is_recorded_as_it_is_shown(database, recorder, scored, short_cohort):
    recorder.record_table(NOBODY, scored, short_cohort, Surface.LIST)
    rows = page_of(database, shown_predictions, Filter(), rows=1000)[::-1]
    assert [row["course_id"] for row in rows] == scored["course_id"].tolist()
    assert [row["probability"] for row in rows] == scored["probability"].tolist()
    assert [row["in_scope"] for row in rows] == scored["in_scope"].astype(object).tolist()
    assert {row["surface"] for row in rows} == {"list"}
    assert {row["trained_on"] for row in rows} == {"simulated"}
    assert all(re.fullmatch("[0-9a-f]{64}", row["inputs_hmac"]) for row in rows)


def test_one_course_is_recorded_alike_alone_and_in_a_table(database, recorder, scored, short_cohort, short_model):
    course_id = scored["course_id"].iloc[3]
    one = short_cohort.subset((short_cohort.table["course_id"] == course_id).to_numpy())
    recorder.record(NOBODY, Shown(short_model.explain(one, course_id), one, Surface.PATIENT))
    recorder.record_table(NOBODY, scored.iloc[[3]], short_cohort, Surface.PATIENT)
    last, first = (
        {k: v for k, v in row.items() if k not in ("id", "at")}
        for row in page_of(database, shown_predictions, Filter())
    )
    assert first == last


def test_whatever_a_course_is_called_it_is_recorded(database, recorder, scored, short_cohort):
    from dataclasses import replace

    name = "x" * 5000 + "\x00\n\u00e9"
    table = short_cohort.table.iloc[[3]].assign(course_id=name).reset_index(drop=True)
    one = replace(short_cohort, courses=CourseColumns.of_table(table), rows=short_cohort.rows[[3]])
    recorder.record_table(NOBODY, scored.iloc[[3]].assign(course_id=name), one, Surface.REST)
    recorder.record(NOBODY, Shown(recorder._model.explain(one, name), one, Surface.PATIENT))
    rows = page_of(database, shown_predictions, Filter())
    assert [row["course_id"] for row in rows] == [name.replace("\x00", "\ufffd")] * 2


def test_the_hash_of_inputs_is_of_the_inputs_alone(database, recorder, short_cohort):
    course = short_cohort.table.iloc[0].to_dict()
    assert recorder.inputs_hmac(course) == recorder.inputs_hmac(course | {"course_id": "x", "site": "y"})
    assert recorder.inputs_hmac(course) != recorder.inputs_hmac(course | {"score_24h": course["score_24h"] + 1})
    other_key = Recorder(database, Keys(b"o" * 32), recorder._model)
    assert recorder.inputs_hmac(course) != other_key.inputs_hmac(course)


def test_nothing_of_the_inputs_is_in_the_store(database, recorder, scored, short_cohort):
    recorder.record_table(NOBODY, scored, short_cohort, Surface.LIST)
    stored = page_of(database, shown_predictions, Filter())[0]
    assert set(stored) & set(short_cohort.table.columns) == {"course_id"}


def test_filters_and_pages(database):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with database.write() as connection:
        rows = [prediction_at(start + timedelta(hours=h), f"c{h % 3}", f"u{h % 2}") for h in range(60)]
        connection.execute(insert(shown_predictions), rows)
    assert count_of(database, shown_predictions, Filter(user_name="u1")) == 30
    assert count_of(database, shown_predictions, Filter(user_name="u1", course_id="c0")) == 10
    second_day = datetime(2026, 1, 2, tzinfo=UTC).date()
    assert count_of(database, shown_predictions, Filter(first=second_day, last=second_day)) == 24
    first = page_of(database, shown_predictions, Filter(), rows=25)
    rest = page_of(database, shown_predictions, Filter(), first[-1]["id"], 100)
    moments = [row["at"] for row in [*first, *rest]]
    assert len(moments) == 60
    assert moments == sorted(moments, reverse=True)


def test_export_holds_every_record_and_no_formula(database):
    with database.write() as connection:
        rows = [prediction_at(datetime.now(UTC), '=HYPERLINK("x")' if n == 0 else f"c{n},") for n in range(4500)]
        connection.execute(insert(shown_predictions), rows)
    import csv

    read = list(csv.DictReader("".join(csv_of(database, RECORDS["predictions"], Filter())).splitlines()))
    assert len(read) == 4500
    assert {row["course_id"] for row in read} == {'\'=HYPERLINK("x")', *(f"c{n}," for n in range(1, 4500))}


def test_a_database_of_another_kind_or_out_of_reach_is_refused(tmp_path):
    for url in ("mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(ServerError, match="sqlite:///FILE"):
            Database(url)
    with pytest.raises(ServerError, match="Cannot write"):
        Database(f"sqlite:///{tmp_path}/absent/x.db")
    with pytest.raises(ServerError, match="cannot be reached") as refused:
        Database("postgresql://somebody:secretpassword@127.0.0.1:1/none").migrate()
    assert "secretpassword" not in str(refused.value)


def test_the_file_is_its_owners_alone(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/own.db")
    database.migrate()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in Path(tmp_path).glob("own.db*")}
    database.close()
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3
