"""REDCap exports made from a cohort give that cohort again, cell by cell, through a draft from the data dictionary."""

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tests.cohort import redcap_files
from tests.cohort.trial_files import plain_cohort
from typer.testing import CliRunner

from ketapredict.cli.app import app
from ketapredict.cohort import Cohort, draft_redcap, load_mapping, read_cohort
from ketapredict.cohort.redcap import read_dictionary
from ketapredict.errors import FileError

PROTOCOL = redcap_files.PROTOCOL


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, mappings: Path) -> Cohort:
    return read_cohort(plain_cohort(mappings.parent / "sample-cohort.csv", tmp_path_factory.mktemp("plain")))


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    return redcap_files.dictionary(tmp_path / "dictionary.csv")


def drafted(export: Path, dictionary: Path) -> Path:
    path = export.with_suffix(".toml")
    path.write_text(draft_redcap(export, dictionary, PROTOCOL), "utf-8")
    return path


def test_events(plain: Cohort, dictionary: Path, tmp_path: Path) -> None:
    export = redcap_files.longitudinal(plain.table, tmp_path / "export.csv")
    mapping = drafted(export, dictionary)
    found = read_cohort(export, mapping)
    assert not len(found.rejects), found.rejects
    assert_frame_equal(found.table, plain.table)
    assert found.counts.used == found.counts.source_rows
    text = mapping.read_text("utf-8")
    assert 'psychotic_features = "specifiers____3"' in text
    assert 'fh_alcohol", levels = { 1 = "yes", 0 = "no", 9 = "" }' in text
    assert "simulated-" not in text


def test_repeats_with_dates(plain: Cohort, dictionary: Path, tmp_path: Path) -> None:
    export = redcap_files.repeating(plain.table, tmp_path / "export.csv")
    mapping = drafted(export, dictionary)
    text = mapping.read_text("utf-8")
    assert 'start = "start.infusion_1_at"' in text
    # What a person finishes: by date, not by the number of the repeat; the site belongs to the record.
    for line in text.splitlines():
        if line.startswith(("label =", "[course.visits.points]", 'baseline = "TODO"')):
            text = text.replace(f"{line}\n", "")
    mapping.write_text(text, "utf-8")
    found = read_cohort(export, mapping)
    assert not len(found.rejects), found.rejects
    columns = [name for name in plain.table if name != "suicidality_item"]
    assert_frame_equal(found.table[columns], plain.table[columns])
    assert_frame_equal(found.table[["suicidality_item"]], plain.table[["suicidality_item"]])
    assert found.counts.unmatched == len(plain)


def test_repeats_by_event_and_number(tmp_path: Path, dictionary: Path) -> None:
    rows = [
        ("a", "history_arm_1", "", "", 40, ""),
        ("a", "course_arm_1", "madrs", 1, "", 30),
        ("a", "course_arm_1", "madrs", 2, "", 20),
        ("a", "follow_up_arm_1", "madrs", 1, "", 10),
    ]
    names = [
        "record_id",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "age",
        "madrs_total",
    ]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "e.csv", index=False)
    text = draft_redcap(tmp_path / "e.csv", dictionary, PROTOCOL)
    assert '# <time point> = "course_arm_1 / 2"' in text
    points = '24h = "course_arm_1 / 2"\nend = "follow_up_arm_1 / 1"\nbaseline = "course_arm_1 / 1"'
    text = text.replace('baseline = "TODO"', points).replace('diagnosis = "TODO"', 'diagnosis = "MDD"')
    (tmp_path / "m.toml").write_text(text, "utf-8")
    course = read_cohort(tmp_path / "e.csv", tmp_path / "m.toml").table.iloc[0]
    assert course[["age_years", "score_baseline", "score_24h", "score_end"]].tolist() == [40, 30, 20, 10]


def with_medication(export: Path, key: dict[str, object]) -> pd.DataFrame:
    """Add two repeats of another form to every third record."""
    frame = pd.read_csv(export, dtype="str")
    rows = []
    for record in frame["record_id"].unique()[::3]:
        for number in (1, 2):
            repeat = {"redcap_repeat_instrument": "medication", "redcap_repeat_instance": str(number)}
            rows.append({"record_id": record, **key, **repeat, "drug": "x"})
    both = pd.concat([frame, pd.DataFrame(rows, dtype="str")], ignore_index=True)
    both.to_csv(export, index=False)
    return both


def test_another_form_repeats_in_the_event_of_a_rating(plain: Cohort, dictionary: Path, tmp_path: Path) -> None:
    export = redcap_files.longitudinal(plain.table, tmp_path / "export.csv")
    rows = with_medication(export, {"redcap_event_name": "baseline_arm_1"})
    mapping = drafted(export, dictionary)
    text = mapping.read_text("utf-8")
    assert 'label = "redcap_event_name"\n' in text
    assert 'baseline = "baseline_arm_1"\n' in text
    found = read_cohort(export, mapping)
    assert not len(found.rejects), found.rejects
    assert_frame_equal(found.table, plain.table)
    repeats = int((rows["redcap_repeat_instrument"] == "medication").sum())
    assert repeats > 0
    assert (found.counts.filtered, found.counts.used) == (repeats, len(rows) - repeats)


def test_another_form_repeats_beside_the_repeats_of_the_ratings(
    plain: Cohort, dictionary: Path, tmp_path: Path
) -> None:
    export = redcap_files.repeating(plain.table, tmp_path / "export.csv")
    with_medication(export, {})
    mapping = drafted(export, dictionary)
    text = mapping.read_text("utf-8")
    assert 'label = "redcap_repeat_instance"\n' in text
    assert 'redcap_repeat_instrument is None or redcap_repeat_instrument == "madrs"' in text
    # By the number of the repeat, in a course of which no rating is missing.
    points = "\n".join(f"{name} = {place}" for place, name in enumerate(("baseline", *PROTOCOL.names), 1))
    mapping.write_text(text.replace('baseline = "TODO"', points), "utf-8")
    found = read_cohort(export, mapping)
    assert not len(found.rejects), found.rejects
    scores = ["score_baseline", *(f"score_{name}" for name in PROTOCOL.names)]
    whole = plain.table[scores].notna().all(axis=1)
    assert whole.any()
    assert_frame_equal(found.table[whole][["course_id", *scores]], plain.table[whole][["course_id", *scores]])


def test_another_form_repeats_in_a_project_without_events(dictionary: Path, tmp_path: Path) -> None:
    names = ["record_id", "redcap_repeat_instrument", "redcap_repeat_instance", "age", "madrs_total", "drug"]
    rows = [("a", "", "", 40, 30, ""), ("a", "medication", 1, "", "", "x"), ("a", "medication", 2, "", "", "y")]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "e.csv", index=False)
    text = draft_redcap(tmp_path / "e.csv", dictionary, PROTOCOL).replace('diagnosis = "TODO"', 'diagnosis = "MDD"')
    assert "[course.visits]" not in text
    (tmp_path / "m.toml").write_text(text, "utf-8")
    found = read_cohort(tmp_path / "e.csv", tmp_path / "m.toml")
    assert found.table[["course_id", "age_years", "score_baseline"]].to_numpy().tolist() == [["a", 40, 30]]
    assert (found.counts.used, found.counts.filtered) == (1, 2)


def test_items_without_a_total(tmp_path: Path) -> None:
    rows = [["record_id", "f", "", "text", "ID", "", "", ""]]
    for number in range(1, 11):
        rows.append([f"madrs_{number}", "madrs", "", "radio", f"Item {number}", "0, none | 6, most", "", ""])
    frame = pd.DataFrame(rows, columns=redcap_files._HEADER)
    frame.to_csv(tmp_path / "d.csv", index=False)
    export = pd.DataFrame({"record_id": ["a"], "redcap_event_name": ["x"], **{f"madrs_{n}": [3] for n in range(1, 11)}})
    export.to_csv(tmp_path / "e.csv", index=False)
    text = draft_redcap(tmp_path / "e.csv", tmp_path / "d.csv", PROTOCOL)
    assert 'score = { items = ["madrs_1", "madrs_2"' in text
    assert 'scale = "MADRS"\n' in text


def test_the_dictionary_in_both_writings(dictionary: Path, tmp_path: Path) -> None:
    fields = read_dictionary(dictionary)
    by_name = {field.name: field for field in fields}
    assert by_name["specifiers"].label == "Specifiers"
    assert by_name["specifiers"].choices[2] == ("-3", "with psychotic features")
    assert by_name["dx"].choices[3] == ("4", "Bipolar, type unknown")
    api = ["field_name", "form_name", "section_header", "field_type", "field_label", "select_choices_or_calculations"]
    api += ["field_note", "text_validation_type_or_show_slider_number"]
    frame = pd.read_csv(dictionary)
    frame.columns = pd.Index(api)
    frame.to_csv(tmp_path / "api.csv", index=False)
    assert read_dictionary(tmp_path / "api.csv") == fields
    frame.drop(columns="field_type").to_csv(tmp_path / "api.csv", index=False)
    with pytest.raises(FileError, match="expected a REDCap data dictionary"):
        read_dictionary(tmp_path / "api.csv")


def test_the_command(plain: Cohort, dictionary: Path, tmp_path: Path) -> None:
    export = redcap_files.longitudinal(plain.table, tmp_path / "export.csv")
    result = CliRunner().invoke(app, ["check", str(export), "--draft-mapping", "--dictionary", str(dictionary)])
    (tmp_path / "m.toml").write_text(result.stdout, "utf-8")
    assert load_mapping(tmp_path / "m.toml").courses[0].visits is not None
    refused = CliRunner().invoke(app, ["check", str(export), "--dictionary", str(dictionary)])
    assert isinstance(refused.exception, FileError)
    with pytest.raises(FileError, match="expected the column record_id"):
        draft_redcap(dictionary, dictionary, PROTOCOL)
