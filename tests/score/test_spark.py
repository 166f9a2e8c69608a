"""Spark gives what one machine gives: rows, values, rejects, counts; whatever the order, and whatever fails."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ketapredict.cli import app
from ketapredict.errors import CohortError, EngineError, FileError, KetapredictError
from ketapredict.score import spark_session as sessions
from ketapredict.score.files import score_file
from ketapredict.tracking.signature import model_signature

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """One session for all tests: a JVM takes seconds."""
    pytest.importorskip("pyspark")
    with sessions.spark_session() as session:
        yield session


@pytest.fixture(scope="module")
def source(mixed_table, tmp_path_factory) -> Path:
    """A folder of parts with names of all kinds; their columns are of several types."""
    folder = tmp_path_factory.mktemp("cohort [1] {x}")
    table = mixed_table(600)
    for number, start in enumerate(range(0, 600, 220)):
        part = table.iloc[start : start + 220]
        part = part.astype({"age_years": int if part["age_years"].notna().all() else float})
        part.to_parquet(folder / f"part ä%20 {number}.parquet", index=False, row_group_size=40)
    return folder


def read_results(output: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    manifest = json.loads(output.with_name(f"{output.name}.manifest.json").read_text())
    rejects = pd.read_csv(output.with_name(f"{output.name}.rejects.csv"), dtype=str)
    return pd.read_parquet(output), rejects, manifest


@pytest.fixture(scope="module")
def local(source, short_model, tmp_path_factory):
    output = tmp_path_factory.mktemp("local") / "out.parquet"
    score_file(source, output, short_model)
    return read_results(output)


def assert_the_same(output: Path, local) -> None:
    table, rejects, manifest = read_results(output)
    pd.testing.assert_frame_equal(table, local[0], check_exact=False, rtol=0, atol=1e-9)
    pd.testing.assert_frame_equal(rejects, local[1])
    for told in ("counts", "inputs", "model", "notices", "statement"):
        assert manifest[told] == local[2][told]
    assert manifest["engine"] == "spark"
    assert manifest["largest_additivity_residual"] < 1e-5
    assert sorted(p.name for p in output.parent.iterdir() if p.name[0] == ".") == []


def test_the_same_as_one_machine(spark, source, short_model, local, tmp_path):
    from ketapredict.score.spark import score_with_spark

    output = tmp_path / "out.parquet"
    for _ in range(2):  # the second takes the place of the first
        result = score_with_spark(source, output, short_model)
        assert (result.courses, result.scored) == (600, len(local[0]))
        assert_the_same(output, local)


def test_courses_made_from_a_mapping(spark, source, short_model, local, tmp_path):
    from ketapredict.score.spark import score_with_spark

    table = pd.concat([pd.read_parquet(part) for part in sorted(source.iterdir())])
    table.to_csv(tmp_path / "cohort.csv", index=False)
    score_file(tmp_path / "cohort.csv", tmp_path / "local.parquet", short_model)
    score_with_spark(tmp_path / "cohort.csv", tmp_path / "out.parquet", short_model)
    expected, found = (read_results(tmp_path / name) for name in ("local.parquet", "out.parquet"))
    pd.testing.assert_frame_equal(found[0], expected[0], check_exact=False, rtol=0, atol=1e-9)
    assert found[1]["row"].astype(int).is_monotonic_increasing
    by_cell = {"by": list(expected[1].columns), "ignore_index": True}
    pd.testing.assert_frame_equal(found[1].sort_values(**by_cell), expected[1].sort_values(**by_cell))
    assert found[2]["counts"] == expected[2]["counts"]


def failing_once(marker: Path, how: str):
    """Let each task fail once after its first batch."""

    def fail(batches):
        from pyspark import TaskContext

        task = TaskContext.get()
        for number, batch in enumerate(batches):
            if number == 1 and task.attemptNumber() == 0:
                Path(f"{marker}-{task.partitionId()}").touch()
                if how == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RuntimeError
            yield batch

    return fail


@pytest.mark.parametrize("how", ["raised", "killed"])
def test_a_failed_task_is_repeated_without_duplicates(spark, source, short_model, local, tmp_path, monkeypatch, how):
    from ketapredict.score import spark as engine

    write = engine._write_part
    fail = failing_once(tmp_path / "failed", how)

    def failing(groups, **options):
        return write(fail(groups), **options)

    monkeypatch.setattr(engine, "_write_part", failing)
    # A row group at a time: some are written before the failure.
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    try:
        engine.score_with_spark(source, tmp_path / "results" / "out.parquet", short_model)
    finally:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(sessions.ROWS_OF_ARROW_BATCHES))
    assert list(tmp_path.glob("failed-*"))
    assert_the_same(tmp_path / "results" / "out.parquet", local)


def test_a_million_courses_of_which_a_task_fails(spark, mixed_table, short_model, tmp_path, monkeypatch):
    from ketapredict.score import spark as engine

    table = pa.Table.from_pandas(mixed_table(20_000), preserve_index=False)
    ids, source = table["course_id"].cast(pa.string()), tmp_path / "million.parquet"
    with pq.ParquetWriter(source, table.schema) as writer:
        for number in range(50):
            own = pc.binary_join_element_wise(ids, str(number), "-").cast(table.schema.field("course_id").type)
            writer.write_table(table.set_column(table.column_names.index("course_id"), "course_id", own))
    write, told = engine._write_part, tmp_path / "failed"

    def failing(groups, **options):
        from pyspark import TaskContext

        yield from write(groups, **options)
        # All of it is written, and the driver does not hear of it.
        if TaskContext.get().partitionId() == 1 and TaskContext.get().attemptNumber() == 0:
            told.touch()
            raise RuntimeError

    monkeypatch.setattr(engine, "_write_part", failing)
    local, output = tmp_path / "local.parquet", tmp_path / "out.parquet"
    score_file(source, local, short_model, explain="none")
    result = engine.score_with_spark(source, output, short_model, explain="none")
    assert told.exists()
    assert result.courses == 1_000_000
    rejects, manifests = (
        [path.with_name(f"{path.name}.{ending}").read_text() for path in (local, output)]
        for ending in ("rejects.csv", "manifest.json")
    )
    assert rejects[0] == rejects[1]
    assert json.loads(manifests[0])["counts"] == json.loads(manifests[1])["counts"]
    one, other = (pq.read_table(path).unify_dictionaries() for path in (local, output))
    assert len(one) == len(other) == result.scored
    for name in one.column_names:
        if pa.types.is_floating(one.schema.field(name).type):
            np.testing.assert_allclose(other[name], one[name], rtol=0, atol=1e-9)
        else:
            texts = (table[name].cast(pa.string()) for table in (one, other))
            assert next(texts).equals(next(texts)), name


def test_a_task_that_always_fails_leaves_nothing(spark, source, short_model, tmp_path, monkeypatch):
    from ketapredict.score import spark as engine

    def failing(groups, **options):
        raise ValueError("a patient's value")
        yield

    monkeypatch.setattr(engine, "_write_part", failing)
    with pytest.raises(EngineError, match="Spark gave up") as caught:
        engine.score_with_spark(source, tmp_path / "out.parquet", short_model)
    assert "value" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("explain", ["all", "top3", "none"])
def test_a_data_frame_of_the_cluster(spark, source, short_model, local, tmp_path, explain):
    from ketapredict.score.spark import scored_frame

    score_file(source, tmp_path / "local.parquet", short_model, explain=explain)
    parts = [pd.read_parquet(part) for part in sorted(source.iterdir())]
    pd.concat(parts).to_parquet(tmp_path / "one.parquet", index=False)
    frame = spark.read.parquet(str(tmp_path / "one.parquet")).repartition(5)
    found = scored_frame(frame, short_model, explain=explain).toArrow().to_pandas()
    assert len(found) == 600
    kept = found[found["rejected"].isna()].drop(columns="rejected").sort_values("course_id", ignore_index=True)
    expected = read_results(tmp_path / "local.parquet")
    scored = expected[0].sort_values("course_id", ignore_index=True)
    pd.testing.assert_frame_equal(kept, scored, check_exact=False, rtol=0, atol=1e-9, check_dtype=False)
    refused = found[found["rejected"].notna()]
    assert refused["probability"].isna().all()
    rules = sorted(rule["rule"] for cell in refused["rejected"] for rule in cell)
    assert rules == sorted(expected[1]["rule"])


LONG = 1234567890123456789


@pytest.mark.parametrize("kind", [pa.int64(), pa.decimal128(38, 0), pa.binary()], ids=["bigint", "decimal", "binary"])
def test_ids_keep_their_digits_beside_a_missing_one(spark, short_cohort, short_model, tmp_path, kind):
    from ketapredict.score.spark import score_with_spark, scored_frame

    numbers = [None if number == 3 else LONG + number for number in range(40)]
    numbers[5] = LONG
    ids = [None if number is None else str(number) for number in numbers]
    table = pa.Table.from_pandas(short_cohort.table.head(40).drop(columns="course_id"), preserve_index=False)
    table = table.append_column("course_id", pa.array(ids if kind == pa.binary() else numbers).cast(kind))
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=15)
    expected = [one for place, one in enumerate(ids) if place not in (0, 3, 5)]
    score_with_spark(tmp_path / "a.parquet", tmp_path / "out.parquet", short_model)
    found, rejects, _ = read_results(tmp_path / "out.parquet")
    assert found["course_id"].tolist() == expected
    assert rejects["rule"].tolist() == ["unique", "required", "unique"]
    frame = scored_frame(spark.read.parquet(str(tmp_path / "a.parquet")), short_model, explain="none").toArrow()
    frame = frame.to_pandas()
    assert sorted(frame["course_id"][frame["rejected"].isna()]) == sorted(expected)
    assert frame["course_id"][frame["rejected"].notna()].fillna("").tolist() == [str(LONG), "", str(LONG)]


def test_a_column_of_lists_is_refused_by_its_name(spark, source, short_model, tmp_path):
    from ketapredict.score.spark import score_with_spark, scored_frame

    table = pq.read_table(min(source.iterdir()))
    lists = pa.array([["s1", "s2"]] * len(table))
    table = table.set_column(table.schema.get_field_index("site"), "site", lists)
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(FileError, match="column site: expected text, numbers, dates"):
        score_with_spark(tmp_path / "a.parquet", tmp_path / "out.parquet", short_model)
    with pytest.raises(FileError, match="The data frame: column site: expected text, numbers, dates"):
        scored_frame(spark.read.parquet(str(tmp_path / "a.parquet")), short_model)


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow's advice on type hints and examples
def test_what_the_documentation_shows(spark, source, short_model, local, tmp_path):
    import mlflow.pyfunc

    from ketapredict.tracking import runs

    short_model.save(tmp_path / "bundle")
    table = pd.concat([pd.read_parquet(part) for part in sorted(source.iterdir())], ignore_index=True)
    table.to_parquet(tmp_path / "one.parquet", index=False)
    spark.read.parquet(str(tmp_path / "one.parquet")).createOrReplaceTempView("courses")
    mlflow.pyfunc.save_model(
        tmp_path / "logged",
        python_model=str(Path(runs.__file__).with_name("pyfunc_model.py")),
        artifacts={"bundle": str(tmp_path / "bundle")},
        signature=model_signature(short_model.bundle, local[0]),
        pip_requirements=["ketapredict"],
    )
    text = (ROOT / "docs" / "scoring.md").read_text()
    for shown, own in {
        "/shared/my-model/model": str(tmp_path / "bundle"),
        "registry.courses": "courses",
        "models:/induction-course-response@champion": str(tmp_path / "logged"),
    }.items():
        assert shown in text
        text = text.replace(shown, own)
    names = {"spark": spark}
    found = []
    with sessions.quiet_spark():
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(code, names)
            found.append(names["scored"].toArrow().to_pandas())
    assert [len(one) for one in found] == [600, 600, 600]
    expected = local[0].set_index("course_id")["probability"]
    repeated = set(table["course_id"][table["course_id"].duplicated()])
    for one in found:
        kept = one[one["probability"].notna() & ~one["course_id"].isin(repeated)]
        pd.testing.assert_series_equal(kept.set_index("course_id")["probability"].loc[expected.index], expected)
        assert len(kept) == len(expected)


def test_a_model_is_loaded_once_by_a_worker(short_model, monkeypatch):
    from ketapredict.model.bundle import bundle_files
    from ketapredict.score import spark_worker

    nothing = np.empty(0, dtype=np.int64)
    shipment = spark_worker.Shipment(
        bundle_files(short_model.bundle), short_model.sha256, "7", (), None, "all", (nothing, nothing)
    )
    monkeypatch.setattr(spark_worker, "_LOADED", {})
    assert shipment.model() is shipment.model()
    assert shipment.model().version == "7"


def test_with_nothing_to_score_no_earlier_output_stays(spark, source, short_model, tmp_path):
    from ketapredict.score.spark import score_with_spark

    (tmp_path / "results").mkdir()
    output, cohort = tmp_path / "results" / "out.parquet", tmp_path / "cohort.parquet"
    table = pd.read_parquet(sorted(source.iterdir())[0])
    table.to_parquet(cohort, index=False)
    score_with_spark(cohort, output, short_model)
    table.assign(score_baseline=900).to_parquet(cohort, index=False)
    with pytest.raises(CohortError, match="all 220 were rejected"):
        score_with_spark(cohort, output, short_model)
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "out.parquet.manifest.json",
        "out.parquet.rejects.csv",
    ]
    manifest = json.loads(output.with_name("out.parquet.manifest.json").read_text())
    assert manifest["counts"]["scored"] == 0
    score_with_spark(source, output, short_model)


def test_courses_of_several_kinds_keep_their_order(spark, short_model, tmp_path, monkeypatch):
    """Courses stand block by block; the rows that they were made from do not."""
    from ketapredict.cohort import out_of_core, spool
    from ketapredict.score.spark import score_with_spark

    sort = spool.sort_spool

    def in_small_groups(*arguments) -> None:
        sort(*arguments)
        table = pq.read_table(arguments[-1])
        pq.write_table(table, arguments[-1], row_group_size=7)

    monkeypatch.setattr(out_of_core, "sort_spool", in_small_groups)
    rows = [(f"p{n:03d}", visit, 20 + n % 7, n % 2) for n in range(90) for visit in "bdw"]
    pd.DataFrame(rows, columns=["id", "visit", "score", "odd"]).to_csv(tmp_path / "t.csv", index=False)
    text = """
[constants]
scale = "MADRS"
diagnosis = "MDD"
"""
    for odd in (1, 0):
        text += f"""
[[course]]
course_id = "{{id}}"
where = "odd == {odd}"
visits = {{ label = "visit", score = "score", points = {{ baseline = "b", 24h = "d", 7d = "w" }} }}
"""
    (tmp_path / "m.toml").write_text(text)
    for score, name in ((score_file, "local.parquet"), (score_with_spark, "out.parquet")):
        score(tmp_path / "t.csv", tmp_path / name, short_model, mapping=tmp_path / "m.toml")
    found, expected = (
        pd.read_parquet(tmp_path / name)["course_id"].tolist() for name in ("out.parquet", "local.parquet")
    )
    assert len(list((tmp_path / "out.parquet").iterdir())) > 3
    assert found == expected


def test_a_damaged_page_is_told_as_on_one_machine(spark, source, short_model, tmp_path):
    from ketapredict.score.spark import score_with_spark

    table = pd.concat([pd.read_parquet(part) for part in sorted(source.iterdir())])
    path = tmp_path / "cohort.parquet"
    for column in ("course_id", "age_years"):
        table.to_parquet(path, index=False, row_group_size=300)
        chunk = pq.read_metadata(path).row_group(1)
        place = next(c for c in map(chunk.column, range(chunk.num_columns)) if c.path_in_schema == column)
        content = bytearray(path.read_bytes())
        start = place.dictionary_page_offset or place.data_page_offset
        content[start : start + place.total_compressed_size] = b"\xff" * place.total_compressed_size
        path.write_bytes(bytes(content))
        with pytest.raises(KetapredictError, match=r"cohort\.parquet: expected a Parquet file, found a damaged one"):
            score_with_spark(path, tmp_path / "out.parquet", short_model)


def test_what_is_no_result_is_not_replaced(spark, source, short_model, tmp_path):
    from ketapredict.score.spark import score_with_spark

    other = tmp_path / "other.parquet"
    other.mkdir()
    (other / "notes.txt").touch()
    with pytest.raises(FileError, match="something else"):
        score_with_spark(source, other, short_model)
    with pytest.raises(FileError, match=r"ends in \.parquet"):
        score_with_spark(source, tmp_path / "out.csv", short_model)


def test_from_the_command_line(spark, source, short_model, local, tmp_path):
    short_model.save(tmp_path / "model")
    arguments = ["score", str(source), "--model", str(tmp_path / "model"), "--engine", "spark"]
    output = tmp_path / "results" / "out.parquet"
    with pytest.raises(SystemExit) as left:
        app([*arguments, "--output", str(output)])
    assert left.value.code == 1
    assert_the_same(output, local)


def test_without_java_or_pyspark_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(EngineError, match=r"pip install 'ketapredict\[spark\]'"):
        sessions.refuse_without_spark()
    monkeypatch.undo()
    pytest.importorskip("pyspark")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=r"found none in JAVA_HOME.*openjdk-17-jre-headless"):
        sessions.refuse_without_spark()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="Expected Java 17"):
        sessions.refuse_without_spark()
