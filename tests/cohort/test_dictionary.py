"""The data dictionary: current, complete, and true of what the validator does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ketapredict.cohort.columns import CONCEPTS, declared_columns
from ketapredict.cohort.dictionary import (
    COLUMNS_FILE,
    DICTIONARY_FILE,
    column_table,
    dictionary_text,
    main,
    write_dictionary,
)
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.read import read_cohort
from ketapredict.cohort.scales import SCALES

DATA = Path(__file__).resolve().parents[2] / "data"
LINES = dictionary_text().splitlines()


def cells(first: str, number: int) -> list[str]:
    """Return the cells of the line with that first cell in a table with so many columns."""
    rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in LINES if line.startswith("|")]
    (found,) = (row for row in rows if row[0] == first and len(row) == number)
    return found


def test_the_dictionary_in_data_is_current(tmp_path: Path) -> None:
    for path in write_dictionary(tmp_path):
        assert path.read_bytes() == (DATA / path.name).read_bytes(), f"{path.name} is out of date: run `make data`"


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "ketapredict.cohort.dictionary", str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / DICTIONARY_FILE).read_text("utf-8") == dictionary_text()
    assert (tmp_path / COLUMNS_FILE).read_text("utf-8") == column_table().to_csv(index=False)


def test_the_command_says_what_it_expects(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="Expected one folder"):
        main([])
    with pytest.raises(SystemExit, match="Error: Expected a folder to write the dictionary to"):
        main([str(tmp_path / "absent")])


@pytest.mark.parametrize("protocol", BUILT_IN.values(), ids=BUILT_IN)
def test_every_column_of_a_protocol_has_a_row(protocol: object) -> None:
    table = column_table().set_index("name")
    declared = declared_columns(protocol)
    listed = table[
        table["protocols"].isin(["all"]) | table["protocols"].str.split("|").map(set).map({protocol.name}.issubset)
    ]
    assert list(listed.index) == list(declared)
    for name, column in declared.items():
        row = table.loc[name]
        assert (row["kind"], row["unit"], row["concept"]) == (column.kind, column.unit, column.concept)
        assert (row["known_at"], row["label"]) == (column.known_at, column.label)
        assert row["required"] == ("yes" if column.required else "no")


def test_rows_of_the_dictionary() -> None:
    assert cells("`age_years`", 8) == ["`age_years`", "age", "number", "years", "12 to 100", "", "age", "`pre`"]
    assert cells("`cadss_40min`", 8)[4:] == ["0 to 92", "", "dissociation", "`40min`"]
    assert cells("`episode_months`", 8)[4] == "0 or more"
    assert cells("`dose_mg_per_kg`", 8)[4] == "0.1 to 2"
    assert cells("`diagnosis`", 8)[4:6] == ["`MDD`, `BD-I`, `BD-II`, `BD`", "yes"]
    assert cells("`score_inf3`", 8)[1] == "score at inf3 (induction-course)"
    assert cells("`score_baseline`", 8)[4] == "above 0, up to the scale's highest"
    assert cells("`inf3`", 6) == ["`inf3`", "`score_inf3`", "120", "5", "108 to 160", "landmark"]
    assert cells("`end`", 6)[-1] == "outcome"


def test_every_scale_is_told_with_what_is_unconfirmed() -> None:
    for scale in SCALES.values():
        row = cells(f"`{scale.name}`", 7)
        assert str(scale.maximum) in row[1]
        assert ("†" in row[1], "†" in row[3]) == ("maximum" in scale.unconfirmed, "recall_days" in scale.unconfirmed)
        assert ("†" in row[4], "†" in row[5]) == ("bands" in scale.unconfirmed, "remission_cut" in scale.unconfirmed)
        assert cells(scale.name, 3)[1] == scale.source
    assert cells("`MADRS`", 7)[4:] == [
        "none 0-6, mild 7-19, moderate 20-34, severe 35-60",
        "9",
        "item 10, 0 to 6",
    ]
    assert cells("`BDI-II`", 7)[5] == "13 †"
    assert cells("`HAMD-6`", 7)[4:] == ["not known"] * 3


def test_every_concept_is_told() -> None:
    for concept, words in CONCEPTS.items():
        assert cells(f"`{concept}`", 3)[1] == words


# What the dictionary says in words of its own, as the validator sees it.
@pytest.mark.parametrize(
    ("column", "inside", "outside"),
    [
        ("score_baseline", ["0.5", "60"], ["0", "61"]),
        ("score_24h", ["0", "60"], ["-1", "61"]),
        ("suicidality_item", ["0", "6"], ["-1", "7"]),
        ("age_years", ["12", "100"], ["11.9", "100.1"]),
        ("dose_mg_per_kg", ["0.1", "2"], ["0.09", "2.1"]),
        ("onset_age_years", ["0", "99"], ["-1"]),
    ],
)
def test_the_ranges_are_those_of_the_validator(
    write: Callable[..., Path], column: str, inside: list[str], outside: list[str]
) -> None:
    names = ["course_id", "diagnosis", "scale"] + ["score_baseline"] * (column != "score_baseline")
    lines = [",".join([*names, column])]
    for number, value in enumerate([*inside, *outside]):
        lines.append(",".join([f"k{number}", "MDD", "MADRS", *(["30"] * (len(names) - 3)), value]))
    cohort = read_cohort(write("\n".join(lines) + "\n"))
    assert cohort.table["course_id"].tolist() == [f"k{number}" for number in range(len(inside))]
    assert cohort.rejects["column"].tolist() == [column] * len(outside)
