from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from ketapredict.cohort import Cohort, draft_mapping, read_cohort
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.tables import read_table
from ketapredict.errors import FileError


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
