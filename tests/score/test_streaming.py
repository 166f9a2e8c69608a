import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.score.conftest import results

from ketapredict.cohort.read import read_cohort
from ketapredict.errors import CohortError, FileError
from ketapredict.score.files import score_file


@pytest.fixture(scope="module")
def inputs(mixed_table, tmp_path_factory):
    """The same courses in several files, with what scoring them in one piece gives."""
    folder = tmp_path_factory.mktemp("inputs")
    table = mixed_table(120)
    table.to_csv(folder / "a.csv", index=False)
    table.to_csv(folder / "a.tsv.gz", index=False, sep="\t")
    table.to_parquet(folder / "a.parquet", index=False, row_group_size=33)
    (folder / "parts").mkdir()
    for number, start in enumerate(range(0, 120, 50)):
        table.iloc[start : start + 50].to_parquet(folder / "parts" / f"{number}.parquet", index=False)
    return folder


def scored(inputs, name, model, **options):
    output = inputs / "out" / "out.csv"
    score_file(inputs / name, output, model, **options)
    return results(output), pd.read_csv(output), pd.read_csv(output.with_name("out.csv.rejects.csv"))


@given(st.integers(1, 130), st.sampled_from(["a.csv", "a.tsv.gz", "a.parquet", "parts"]))
@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
def test_batches_of_any_size_give_the_results_of_one_piece(inputs, short_model, rows, name):
    cohort = read_cohort(inputs / "a.csv", protocol=short_model.bundle.protocol)
    whole = short_model.score(cohort)
    _, table, rejects = scored(inputs, name, short_model, rows_at_once=rows)
    assert table["course_id"].tolist() == whole.table["course_id"].tolist()
    for column in ("landmark", "notes"):
        assert table[column].fillna("").tolist() == whole.table[column].tolist()
    for column in ["probability", "base_logit", *(c for c in table if c.startswith("shap_"))]:
        np.testing.assert_array_equal(table[column], whole.table[column].astype(float))
    np.testing.assert_allclose(table[["p_low", "p_high"]], whole.table[["p_low", "p_high"]], atol=1.1e-6)
    expected = pd.concat([cohort.rejects, whole.refused]).sort_values("row", kind="stable", ignore_index=True)
    assert rejects.fillna("").to_numpy().tolist() == expected.fillna("").to_numpy().tolist()
    counts = json.loads((inputs / "out" / "out.csv.manifest.json").read_text())["counts"]
    assert counts["courses"] == 120 == counts["scored"] + counts["rejected"]
    assert counts["rejected"] == rejects["row"].nunique()


LONG = 1234567890123456789


@pytest.mark.parametrize("kind", [pa.int64(), pa.decimal128(38, 0), pa.binary()], ids=["int64", "decimal", "bytes"])
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_ids_keep_their_digits_beside_a_missing_one(short_cohort, short_model, tmp_path, kind, rows):
    numbers = [None if number == 3 else LONG + number for number in range(40)]
    numbers[5] = LONG
    ids = [None if number is None else str(number) for number in numbers]
    courses = short_cohort.table.head(40).drop(columns=["course_id", "patient_id"])
    table = pa.Table.from_pandas(courses, preserve_index=False)
    for name in ("course_id", "patient_id"):
        table = table.append_column(name, pa.array(ids if kind == pa.binary() else numbers).cast(kind))
    pq.write_table(table, tmp_path / "a.parquet")
    output = tmp_path / "out.csv"
    score_file(tmp_path / "a.parquet", output, short_model, rows_at_once=rows)
    found = pd.read_csv(output, dtype={"course_id": str})
    expected = [one for place, one in enumerate(ids) if place not in (0, 3, 5)]
    assert found["course_id"].tolist() == expected
    rejects = pd.read_csv(output.with_name("out.csv.rejects.csv"), dtype=str).fillna("")
    assert rejects[["row", "course_id", "rule"]].to_numpy().tolist() == [
        ["1", str(LONG), "unique"],
        ["4", "", "required"],
        ["6", str(LONG), "unique"],
    ]


@pytest.mark.parametrize("name", ["b.csv", "b.parquet"])
def test_a_required_column_that_is_absent_is_named(inputs, short_model, name):
    table = pd.read_csv(inputs / "a.csv").drop(columns="course_id")
    write = table.to_csv if name == "b.csv" else table.to_parquet
    write(inputs / name, index=False)
    with pytest.raises(CohortError, match="missing: course_id"):
        score_file(inputs / name, inputs / "absent" / "out.csv", short_model)


def test_all_rows_of_a_repeated_id_are_rejected_also_in_earlier_batches(inputs, short_model):
    _, table, rejects = scored(inputs, "a.parquet", short_model, rows_at_once=10)
    repeated = rejects[rejects["rule"] == "unique"]
    assert repeated["row"].tolist() == [1, 2, 61, 119]
    assert not table["course_id"].isin(repeated["course_id"]).any()


def test_notices_add_up(inputs, short_model):
    whole = read_cohort(inputs / "a.csv", protocol=short_model.bundle.protocol).notices
    scored(inputs, "a.csv", short_model, rows_at_once=7)
    assert json.loads((inputs / "out" / "out.csv.manifest.json").read_text())["notices"] == list(whole)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_what_is_explained(inputs, short_model, ending):
    tables = {}
    for how in ("all", "top3", "none"):
        output = inputs / "out" / f"{how}.{ending}"
        score_file(inputs / "a.csv", output, short_model, explain=how, rows_at_once=40)
        tables[how] = pd.read_csv(output) if ending == "csv" else pd.read_parquet(output)
    every = tables["all"]
    assert list(tables["none"]) == [c for c in every if c != "base_logit" and not c.startswith("shap_")]
    assert len(tables["top3"].columns) == len(tables["none"].columns) + 6
    shap = every.filter(like="shap_")
    for row, top in tables["top3"].iterrows():
        sizes = shap.loc[row].abs().sort_values(ascending=False)
        for rank in (1, 2, 3):
            assert abs(top[f"top{rank}_contribution"]) == sizes.iloc[rank - 1]
            assert shap.loc[row, f"shap_{top[f'top{rank}_concept']}"] == top[f"top{rank}_contribution"]
    for name in tables["none"]:
        assert tables["top3"][name].equals(every[name])
        assert tables["none"][name].equals(every[name])


def test_a_parquet_output_of_many_pieces_is_an_ordinary_file(inputs, short_model):
    output = inputs / "out" / "pieces.parquet"
    score_file(inputs / "a.parquet", output, short_model, rows_at_once=11)
    score_file(inputs / "a.parquet", inputs / "out" / "one.parquet", short_model)
    duckdb = pytest.importorskip("duckdb")
    names = ", ".join(f'"{c}"' for c in pq.read_schema(output).names if c not in ("p_low", "p_high"))
    one = output.with_name("one.parquet")
    differing = f"select count(*) from (select {names} from '{output}' except select {names} from '{one}')"
    assert duckdb.sql(differing).fetchall() == [(0,)]
    file = pq.ParquetFile(output)
    assert file.metadata.num_row_groups == 11
    assert file.metadata.num_rows == pq.read_metadata(output.with_name("one.parquet")).num_rows
    assert not [field.name for field in file.schema_arrow if pa.types.is_null(field.type)]


def test_parts_of_different_columns_are_refused(inputs, short_model, tmp_path):
    (tmp_path / "parts").mkdir()
    table = pd.read_parquet(inputs / "a.parquet")
    table.to_parquet(tmp_path / "parts" / "0.parquet", index=False)
    table.drop(columns="sex").to_parquet(tmp_path / "parts" / "1.parquet", index=False)
    with pytest.raises(FileError, match=r"1\.parquet: expected the columns of 0\.parquet"):
        score_file(tmp_path / "parts", tmp_path / "out.csv", short_model)
    (tmp_path / "parts" / "1.parquet").write_bytes(b"PAR1 damaged")
    with pytest.raises(FileError, match=r"1\.parquet: expected a Parquet file, found a damaged one"):
        score_file(tmp_path / "parts", tmp_path / "out.csv", short_model)
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
