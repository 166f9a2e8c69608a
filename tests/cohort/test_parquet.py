import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ketapredict.cohort import Cohort, draft_mapping, read_cohort
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.out_of_core import make_courses
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.tables import read_table
from ketapredict.errors import FileError
from ketapredict.score.inputs import open_input

PROTOCOL = BUILT_IN["induction-course"]


@pytest.fixture(scope="module")
def sample(mappings: Path) -> Cohort:
    return read_cohort(mappings.parent / "sample-cohort.csv")


@pytest.fixture
def parts(sample: Cohort, tmp_path: Path) -> Path:
    """The sample cohort as a writer of many parts leaves it."""
    folder = tmp_path / "cohort.parquet"
    folder.mkdir()
    for number, start in enumerate(range(0, len(sample), 150)):
        part = sample.table.iloc[start : start + 150]
        part.to_parquet(folder / f"part-{number:05d}.snappy.parquet", index=False)
    (folder / "_SUCCESS").write_text("")
    (folder / ".part-00000.crc").write_bytes(b"\x00")
    return folder


def test_a_folder_of_parts_is_one_table(sample: Cohort, parts: Path) -> None:
    found = read_cohort(parts)
    assert_frame_equal(found.table, sample.table)
    assert found.rows.tolist() == sample.rows.tolist()
    assert found.counts == sample.counts
    assert [source.name for source in found.sources] == ["cohort.parquet"]
    hash_before = found.sources[0].sha256
    (parts / "part-00001.snappy.parquet").rename(parts / "part-00009.snappy.parquet")
    assert read_cohort(parts).sources[0].sha256 != hash_before


def test_a_folder_of_parts_wherever_a_file_can_be_named(sample: Cohort, parts: Path) -> None:
    own = {"same_names": True}
    named = mapping_from_plain({**own, "tables": {"cohort": "cohort.parquet"}})
    without_ending = mapping_from_plain({**own, "tables": {"cohort": "cohort"}})
    other_name = mapping_from_plain({**own, "tables": {"cohort": "extract.csv"}})
    for path, mapping in (
        (parts.parent, named),
        (parts.parent, without_ending),
        (parts, other_name),
        (parts, mapping_from_plain(own)),
    ):
        assert_frame_equal(read_cohort(path, mapping).table, sample.table)
    assert "same_names = true" in draft_mapping(parts)


def test_parts_of_several_types_and_columns(parts: Path, tmp_path: Path) -> None:
    first = sorted(parts.glob("part*"))[0]
    frame = pd.read_parquet(first)
    frame.assign(age_years=None).to_parquet(first, index=False)
    assert read_table(parts).frame["age_years"].isna().sum() >= len(frame)
    frame.drop(columns="age_years").to_parquet(first, index=False)
    with pytest.raises(FileError, match=r"part-00001\S*: expected the columns of part-00000"):
        read_table(parts)
    frame.assign(age_years="old").to_parquet(first, index=False)
    with pytest.raises(FileError, match="of one type in all parts"):
        read_table(parts)
    first.write_bytes(first.read_bytes()[:200])
    with pytest.raises(FileError, match="found a damaged one"):
        read_table(parts)
    (tmp_path / "p" / "site=a").mkdir(parents=True)
    frame.to_parquet(tmp_path / "p" / "site=a" / "x.parquet")
    with pytest.raises(FileError, match="sub-folders"):
        read_table(tmp_path / "p")


@pytest.mark.parametrize(
    "place", ["2024/b.parquet", "2024/01/b.PARQUET", "site=a/b.parquet", "b.parquet/x", "old/b.pq"]
)
@pytest.mark.parametrize("reader", ["memory", "disk", "wide"])
def test_parts_in_sub_folders_are_refused_not_left_out(parts: Path, tmp_path: Path, place: str, reader: str) -> None:
    read = {
        "memory": read_table,
        "disk": lambda path: make_courses(None, path, PROTOCOL, tmp_path),
        "wide": lambda path: open_input(path, None, PROTOCOL, (), tmp_path),
    }[reader]
    below = parts / place
    below.parent.mkdir(parents=True)
    shutil.copy(min(parts.glob("part*")), below)
    found = re.escape(place.split("/")[0])
    message = rf"cohort\.parquet: expected the parts in the folder itself, found some in sub-folders \({found}\)"
    with pytest.raises(FileError, match=message):
        read(parts)
    for part in parts.glob("part*"):
        part.unlink()
    with pytest.raises(FileError, match=message):
        read(parts)


@pytest.mark.parametrize("name", ["more.csv", "more.TSV.gz", "more.pq", "more.xlsx", "part-00007", "more.parquet.1"])
def test_other_data_beside_parts_is_refused_not_left_out(parts: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(min(parts.glob("part*")), parts / name)
    for read in (read_table, lambda path: open_input(path, None, PROTOCOL, (), tmp_path)):
        with pytest.raises(FileError, match=rf"expected Parquet parts of one table \(part-\S+\), found {name} beside"):
            read(parts)


def test_what_is_no_data_may_stand_beside_parts(sample: Cohort, parts: Path) -> None:
    (parts / "README.md").write_text("of the registry")
    (parts / "schema.json").write_text("{}")
    for place in ("_delta_log/a.parquet", ".hidden/a.parquet", "notes/_old/a.parquet", "notes/a.md"):
        (parts / place).parent.mkdir(parents=True, exist_ok=True)
        (parts / place).touch()
    (parts / "_old.csv").touch()
    assert_frame_equal(read_cohort(parts).table, sample.table)


def test_the_folder_of_a_mapping_may_hold_whatever_it_likes(sample: Cohort, parts: Path) -> None:
    """Parts of one table, files of others, folders: what is read is named."""
    folder = parts.parent
    (folder / "archive" / "2024").mkdir(parents=True)
    shutil.copy(min(parts.glob("part*")), folder / "archive" / "2024" / "old.parquet")
    shutil.copy(min(parts.glob("part*")), folder / "other.parquet")
    (folder / "people.csv").write_text("id,x\na,1\n")
    for name in ("cohort.parquet", "cohort"):
        mapping = mapping_from_plain({"same_names": True, "tables": {"cohort": name}})
        assert_frame_equal(read_cohort(folder, mapping).table, sample.table)
    (folder / "other.parquet").unlink()
    with pytest.raises(FileError, match=r"Expected a table file, found nothing at \S+visits\.csv"):
        read_cohort(folder, mapping_from_plain({"same_names": True, "tables": {"visits": "visits.csv"}}))
    sample.table.to_csv(folder / "people.csv", index=False)
    assert_frame_equal(read_cohort(folder, mapping_from_plain({"same_names": True})).table, sample.table)


def test_the_same_cohort_from_every_format(sample: Cohort, mappings: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(mappings.parent / "sample-cohort.csv")
    frame.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    frame.to_parquet(tmp_path / "t.parquet", index=False)
    for path in sorted(tmp_path.iterdir()):
        found = read_cohort(path)
        assert_frame_equal(found.table, sample.table)
        assert found.counts == sample.counts


def test_two_tables_of_one_name(parts: Path, mappings: Path) -> None:
    (parts.parent / "COHORT.csv").write_bytes((mappings.parent / "sample-cohort.csv").read_bytes())
    mapping = mapping_from_plain({"same_names": True, "tables": {"cohort": "cohort"}})
    with pytest.raises(FileError, match=r"Expected one table cohort, found COHORT\.csv, cohort\.parquet"):
        read_cohort(parts.parent, mapping)


def test_an_excel_file_of_several_sheets_says_so(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for name in ("one", "two"):
            pd.DataFrame({"a": [1], "b": [name]}).to_excel(book, sheet_name=name, index=False)
    table = read_table(tmp_path / "t.xlsx")
    assert table.frame["b"].tolist() == ["one"]
    assert table.notices == ("the first of 2 sheets",)
