"""ADaM and SDTM files made from a cohort give that cohort again, cell by cell, through the project's mappings."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from tests.cohort import trial_files
from tests.cohort.trial_files import NUMBERS, TEXTS, write_xpt
from typer.testing import CliRunner

from ketapredict.cli.app import app
from ketapredict.cohort import Cohort, draft_mapping, read_cohort
from ketapredict.cohort.mapping_file import load_mapping, mapping_folder, own_mappings
from ketapredict.errors import MappingError

ADAM = (mapping_folder() / "adam.toml").read_text("utf-8")
SDTM = (mapping_folder() / "sdtm.toml").read_text("utf-8")
FURTHER = "\n".join(f'{column} = "{variable}"' for column, variable in (NUMBERS | TEXTS).items())
MARK = "# ADJUST: further columns of the cohort table, from columns of ADSL."
DIAGNOSIS = 'diagnosis = "MDD"'


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, mappings: Path) -> Cohort:
    folder = tmp_path_factory.mktemp("plain")
    return read_cohort(trial_files.plain_cohort(mappings.parent / "sample-cohort.csv", folder))


@pytest.fixture(scope="module")
def frame(plain: Cohort) -> pd.DataFrame:
    return plain.table


def adjusted(text: str, folder: Path, *replacements: tuple[str, str]) -> Path:
    """Copy a mapping and adjust it, as a user would."""
    for old, new in replacements:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "own.toml"
    path.write_text(text, "utf-8")
    return path


def same(found: Cohort, plain: Cohort, *, without: tuple[str, ...]) -> None:
    assert not len(found.rejects), found.rejects
    left_out = [*without, "arm"]
    assert_frame_equal(found.table.drop(columns=left_out), plain.table.drop(columns=left_out))


def test_adam_totals_in_transport_files(plain: Cohort, frame: pd.DataFrame, tmp_path: Path) -> None:
    records = trial_files.adqs(frame)
    write_xpt(trial_files.adsl(frame), tmp_path / "adsl.xpt")
    write_xpt(records, tmp_path / "adqs.xpt")
    own = adjusted(ADAM, tmp_path, (MARK, FURTHER), (DIAGNOSIS, ""))
    found = read_cohort(tmp_path, own)
    same(found, plain, without=("suicidality_item", "cadss_40min"))
    assert found.counts.source_rows == len(records)
    assert found.counts.used == len(records) // 4
    assert found.counts.unmatched == 0
    assert (found.table["arm"] == "ketamine").all()
    assert found.simulated
    from_base = (MARK, FURTHER + '\nscore_baseline = "BASE"')
    own = adjusted(ADAM, tmp_path, from_base, (DIAGNOSIS, ""), ("baseline = 'A", "# 'A"))
    same(read_cohort(tmp_path, own), plain, without=("suicidality_item", "cadss_40min"))


def test_adam_as_it_stands_in_any_format(plain: Cohort, frame: pd.DataFrame, tmp_path: Path) -> None:
    trial_files.adsl(frame).to_excel(tmp_path / "ADSL.xlsx", index=False)
    records = trial_files.adqs(frame)
    (tmp_path / "adqs").mkdir()
    half = len(records) // 2
    records[:half].to_parquet(tmp_path / "adqs" / "part-0.parquet")
    records[half:].to_parquet(tmp_path / "adqs" / "part-1.parquet")
    found = read_cohort(tmp_path, "adam")
    shared = ["course_id", "site", "age_years", "sex", "bmi_kg_m2", *(c for c in frame if c.startswith("score_"))]
    assert_frame_equal(found.table[shared], frame[shared])


def test_adam_items_and_a_further_parameter(plain: Cohort, frame: pd.DataFrame, tmp_path: Path) -> None:
    records = trial_files.adqs_items(frame)
    write_xpt(trial_files.adsl(frame), tmp_path / "adsl.xpt")
    write_xpt(records, tmp_path / "adqs.xpt")
    items = ADAM.index("# item = ")
    as_items = "\n".join(line.removeprefix("# ") for line in ADAM[items:].splitlines()[:3])
    item = 'suicidality_item = { from = "MADRS10", visit = "baseline" }'
    parameter = 'cadss_40min = { from = "CADSSTOT", visit = "40min" }'
    own = adjusted(
        ADAM[:items],
        tmp_path,
        (MARK, f"{FURTHER}\n{item}\n{parameter}"),
        (DIAGNOSIS, ""),
        ('\nscore = "AVAL"', "\n" + as_items),
        ('PARAMCD == "MADRSTOT" and DTYPE is None and (ANL01FL == "Y" or ABLFL == "Y") and ', ""),
    )
    found = read_cohort(tmp_path, own)
    same(found, plain, without=("suicidality_item",))
    rated = frame["suicidality_item"].notna()
    assert_frame_equal(found.table[rated][["suicidality_item"]], frame[rated][["suicidality_item"]])
    assert found.counts.used == len(records)


def test_sdtm(plain: Cohort, frame: pd.DataFrame, tmp_path: Path) -> None:
    write_xpt(trial_files.dm(frame), tmp_path / "dm.xpt")
    write_xpt(trial_files.qs(frame), tmp_path / "qs.xpt")
    write_xpt(trial_files.vs(frame), tmp_path / "vs.xpt")
    shared = ["course_id", "site", "age_years", "sex", *(c for c in frame if c.startswith("score_"))]
    found = read_cohort(tmp_path, "sdtm")
    assert_frame_equal(found.table[shared], frame[shared])
    assert found.counts.used == found.counts.source_rows
    lines = ('# [[join]]\n# table = "vs"\n# on = "USUBJID"\n# where', '[[join]]\ntable = "vs"\non = "USUBJID"\nwhere')
    own = adjusted(SDTM, tmp_path, lines, ("# systolic_mmhg", "systolic_mmhg"), ('dm = "dm"', 'dm = "dm"\nvs = "vs"'))
    assert_frame_equal(read_cohort(tmp_path, own).table[["systolic_mmhg"]], frame[["systolic_mmhg"]])


# Not treated: no arm, no date of a dose; out of the safety set; the words of older SDTM for who failed screening.
UNTREATED = [
    {"TRT01A": "", "SAFFL": "N", "ACTARM": "", "RFXSTDTC": ""},
    {"TRT01A": "", "SAFFL": "Y", "ACTARM": "", "RFXSTDTC": "2024-03-04"},
    {"TRT01A": "Ketamine", "SAFFL": "", "ACTARM": "Screen Failure", "RFXSTDTC": ""},
    {"TRT01A": "Screen Failure", "SAFFL": "N", "ACTARM": "Not Assigned", "RFXSTDTC": ""},
]


@pytest.mark.parametrize("name", ["adam", "sdtm"])
def test_who_was_not_treated_becomes_no_course(frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    """An absent arm counts as active: a screen failure with ratings would be a course on the drug."""
    patients = trial_files.adsl(frame) if name == "adam" else trial_files.dm(frame)
    records = trial_files.adqs(frame) if name == "adam" else trial_files.qs(frame)
    left_out = frame["course_id"][: len(UNTREATED)]
    for place, cells in enumerate(UNTREATED):
        for column in set(cells) & set(patients):
            patients.loc[place, column] = cells[column]
    write_xpt(patients, tmp_path / ("adsl.xpt" if name == "adam" else "dm.xpt"))
    write_xpt(records, tmp_path / ("adqs.xpt" if name == "adam" else "qs.xpt"))
    found = read_cohort(tmp_path, name)
    assert not len(found.rejects), found.rejects
    assert found.table["course_id"].tolist() == frame["course_id"][len(UNTREATED) :].tolist()
    assert (found.table["arm"] == "ketamine").all()
    counts = found.counts
    others = records[~records["USUBJID"].isin(left_out)]
    assert counts.used == (len(others) // 4 if name == "adam" else len(others))
    assert (counts.filtered, counts.unmatched) == (len(records) - counts.used, 0)


def test_drafts_point_to_the_mapping_and_print_it(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_xpt(trial_files.adsl(frame), tmp_path / "adsl.xpt")
    write_xpt(trial_files.adqs(frame), tmp_path / "adqs.xpt")
    assert "begin with --mapping adam instead" in draft_mapping(tmp_path)
    printed = CliRunner().invoke(app, ["check", str(tmp_path), "--draft-mapping", "--mapping", "sdtm"])
    assert printed.stdout == SDTM
    refused = CliRunner().invoke(app, ["check", str(tmp_path), "--draft-mapping", "--mapping", "own.toml"])
    assert isinstance(refused.exception, MappingError)


def test_names_of_mappings() -> None:
    assert {"adam", "sdtm", "dia-hamd17"} <= set(own_mappings())
    for name in own_mappings():
        assert load_mapping(name).name == f"{name}.toml"
    with pytest.raises(MappingError, match="one of adam"):
        load_mapping("adan")


def test_the_mappings_come_with_a_wheel_or_from_the_checkout(
    mappings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mapping_folder() == mappings
    shutil.copytree(mappings, tmp_path / "public_data" / "mappings")
    monkeypatch.setattr("ketapredict.cohort.mapping_file.files", lambda _: tmp_path)
    assert mapping_folder() == tmp_path / "public_data" / "mappings"
    assert load_mapping("adam").name == "adam.toml"
