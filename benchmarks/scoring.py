"""How fast a cohort is scored: stage by stage, beside what the libraries take for the same, and beside the usual way.

    .venv/bin/python benchmarks/scoring.py [--courses 1000000] [--rounds 3] [--folder DIR]
        [--only-memory | --only-one | --long]

Makes simulated courses (20,000 different ones many times over, each with an id of its own, in random order), trains on
the sample cohort, and measures in turn, in the same run:

* the native stages: pyarrow reads the table, XGBoost's `inplace_predict` on the features of every course, pyarrow
  writes a table of the output's columns;
* the same from file to file with everything: validation, repeated ids, notes, all contributions, rejects, manifest,
  with and without intervals;
* contributions by lookup beside `inplace_predict` and `pred_contribs` of the same booster;
* the usual way, from file to file too: pandas reads the table, a scikit-learn pipeline with XGBoost behind MLflow's
  pyfunc predicts, `shap.TreeExplainer` explains in chunks, pandas writes; no validation, notes or intervals;
* one patient (`--only-one`): by the Python interface, and from a cold command line beside importing NumPy, pandas and
  pyarrow alone.

Seconds are medians of the rounds; processor seconds stand beside them, on a machine that does other things too they say
more. Peak memory is that of a process that does nothing but score.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.read import cohort_from_frame, read_cohort, validated
from ketapredict.features.design import design_frame
from ketapredict.fitting import fit_response_model
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import ROWS_AT_ONCE, score_file
from ketapredict.score.inputs import open_input
from ketapredict.score.parts import GrowingFile, ParquetFormat
from ketapredict.simulate import simulate_cohort

ROOT = Path(__file__).resolve().parents[1]
DIFFERENT = 20_000
USUAL_ROWS = 20_000
ONE_PATIENT, ONE_PATIENT_ROUNDS, COLD_STARTS = 200, 10, 9
SCORE = """
import json, sys, time
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import score_file
start = time.perf_counter()
done = score_file(sys.argv[1], sys.argv[2], ResponseModel.load(sys.argv[3]), mapping=(sys.argv[4:] or [None])[0])
# Not ru_maxrss: it counts what the parent had when it started this process.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps([done.scored, done.rejected, time.perf_counter() - start, peak]))
"""

LONG = """
[constants]
scale = "MADRS"

[columns]
diagnosis = "diagnosis"
age_years = "age_years"

[[course]]
course_id = "{course_id}"

[course.visits]
label = "visit"
score = "score"

[course.visits.points]
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--courses", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-memory", action="store_true", help="Score once in a process of its own, and no more.")
    parser.add_argument("--long", action="store_true", help="The same from CSV with one row a visit, and no more.")
    parser.add_argument("--only-one", action="store_true", help="One patient, and no more.")
    parser.add_argument("--folder", type=Path, help="For the files; default: a temporary one.")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        model, _ = fit_response_model(read_cohort(ROOT / "data" / "sample-cohort.csv"))
        model.save(folder / "model")
        if not arguments.only_memory and not arguments.long:
            print_one_patient(folder)
        if arguments.only_one:
            return
        source = folder / "courses.parquet"
        different = write_courses(source, arguments.courses)
        if arguments.long:
            print_memory(write_long(source), folder, folder / "long.toml")
            return
        if not arguments.only_memory:
            print_stages(model, source, folder, different, arguments.courses, arguments.rounds)
        print_memory(source, folder)


def write_courses(path: Path, courses: int) -> Path:
    """Write simulated courses, portion by portion; returns the file of the different ones."""
    table = simulate_cohort(min(courses, DIFFERENT), 7, BUILT_IN["induction-course"])
    different = path.with_name("different.parquet")
    table.to_parquet(different, index=False)
    rng = np.random.default_rng(0)
    offset, step = int(rng.integers(courses)), 7_919  # ids in no order, none twice
    writer = None
    for start in range(0, courses, len(table)):
        part = table.iloc[rng.permutation(len(table))[: courses - start]].reset_index(drop=True)
        numbers = (offset + step * np.arange(start, start + len(part))) % courses
        part["course_id"] = pd.Series([f"simulated-{number:09d}" for number in numbers], dtype="str")
        part["patient_id"] = pd.Series([f"simulated-patient-{number:09d}" for number in numbers], dtype="str")
        arrow = pa.Table.from_pandas(part, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, arrow.schema)
        writer.write_table(arrow.cast(writer.schema))
    assert writer is not None
    writer.close()
    return different


def print_stages(model: ResponseModel, source: Path, folder: Path, different: Path, courses: int, rounds: int) -> None:
    """Measure in turn and print."""
    import xgboost

    output = folder / "scored.parquet"
    certain = ResponseModel(
        replace(model.bundle, landmarks=tuple(replace(one, uncertainty=None) for one in model.bundle.landmarks))
    )
    last = model.bundle.landmarks[-1]
    values = tree_values(model, last, different)
    X = values[np.resize(np.arange(len(values)), courses)].astype(np.float32)
    # Each gets the order that it reads; lookups what they get when a file is scored, not all in one piece.
    batches = [np.asfortranarray(X[start : start + ROWS_AT_ONCE]) for start in range(0, courses, ROWS_AT_ONCE)]
    booster = xgboost.Booster(model_file=bytearray(last.booster))
    score_file(source, output, model)
    written = pq.read_table(output)
    texts = [f.name for f in written.schema if f.name != "course_id" and pa.types.is_string(f.type)]
    for name in texts:
        place = written.schema.get_field_index(name)
        written = written.set_column(place, name, written[name].dictionary_encode())
    some = min(courses, USUAL_ROWS)
    whole: dict[str, Callable[[], object]] = {
        "pyarrow read": lambda: pq.read_table(source),
        "inplace_predict": lambda: booster.inplace_predict(X),
        "pyarrow write": lambda: pq.write_table(written, folder / "native.parquet", use_dictionary=texts),
        "contributions by lookup": lambda: looked_up(last, batches),
        "from file to file": lambda: score_file(source, output, model),
        "from file to file, no intervals": lambda: score_file(source, output, certain),
    }
    part: dict[str, Callable[[], object]] = {
        "pred_contribs": lambda: booster.predict(xgboost.DMatrix(X[:some]), pred_contribs=True),
        "usual": usual_way(different, folder, some),
    }
    measured(part, 1)
    found = measured(whole | part, rounds)
    found |= {name: tuple(took * courses / some for took in found[name]) for name in part}
    print(f"| {courses:,} courses | rows a second | seconds | processor seconds |\n|---|---|---|---|")
    for name, (wall, cpu) in found.items():
        print(f"| {name} | {courses / wall:,.0f} | {wall:.2f} | {cpu:.2f} |")
    native = [
        sum(found[name][kind] for name in ("pyarrow read", "inplace_predict", "pyarrow write")) for kind in (0, 1)
    ]
    print("\n| ratio of rates | by the clock | by processor time |\n|---|---|---|")
    lines = {
        "from file to file, no intervals / native stages": (native, "from file to file, no intervals"),
        "from file to file / native stages": (native, "from file to file"),
        "lookup / inplace_predict": (found["inplace_predict"], "contributions by lookup"),
        "lookup / pred_contribs": (found["pred_contribs"], "contributions by lookup"),
        "from file to file, no intervals / the usual way": (found["usual"], "from file to file, no intervals"),
        "from file to file / the usual way": (found["usual"], "from file to file"),
    }
    for name, (other, own) in lines.items():
        print(f"| {name} | {other[0] / found[own][0]:.2f} | {other[1] / found[own][1]:.2f} |")
    with threadpool_limits(1):
        print_own_stages(model, source, folder)


def looked_up(landmark: LandmarkModel, batches: list[np.ndarray]) -> None:
    """Make the contributions of all features of the trees, batch by batch."""
    for batch in batches:
        landmark.tables.contributions(batch)


def measured(work: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the medians of seconds and processor seconds; the rounds take turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            wall, cpu = time.perf_counter(), time.process_time()
            do()
            found[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: tuple(np.median(np.array(times), axis=0)) for name, times in found.items()}


def print_own_stages(model: ResponseModel, source: Path, folder: Path) -> None:
    """Print where the time goes, one stage after the other in one thread."""
    seconds: dict[str, float] = {}

    def timed[T](name: str, do: Callable[[], T]) -> T:
        start = time.process_time()
        result = do()
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - start
        return result

    given = timed("look through, ids", lambda: open_input(source, None, model.bundle.protocol, (), folder))
    file, piece = GrowingFile(folder / "stages.parquet"), ParquetFormat()
    batches = given.batches(ROWS_AT_ONCE, 0)
    while (raw := timed("read", lambda: next(batches, None))) is not None:
        cohort, _ = timed("validate", lambda raw=raw: validated(raw, model.bundle.protocol, ()))
        columns, _, _ = timed("score and explain", lambda cohort=cohort: model.score_columns(cohort))
        timed("write", lambda columns=columns: piece.piece(columns.to_arrow(), file))
    file.close()
    rows = given.courses
    print("\n| stage, one thread | processor seconds | rows a second |\n|---|---|---|")
    for name, took in seconds.items():
        print(f"| {name} | {took:.2f} | {rows / max(took, 1e-9):,.0f} |")


def write_long(source: Path) -> Path:
    """Write the courses with one row a visit, and the mapping that reads them; returns the CSV file."""
    path = source.with_name("long.csv")
    with pq.ParquetFile(source) as file, path.open("w", encoding="utf-8") as written:
        rows = 0
        for batch in file.iter_batches(DIFFERENT):
            table = batch.to_pandas()
            scores = [name for name in table if name.startswith("score_")]
            visits = table.melt(["course_id", "diagnosis", "age_years"], scores, "visit", "score").dropna()
            visits["visit"] = visits["visit"].str.removeprefix("score_")
            visits.sample(frac=1, random_state=0).to_csv(written, index=False, header=not rows)
            rows += len(visits)
    points = "".join(f'{name.removeprefix("score_")} = "{name.removeprefix("score_")}"\n' for name in scores)
    source.with_name("long.toml").write_text(LONG + points)
    print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB.")
    return path


def print_memory(source: Path, folder: Path, *mapping: Path) -> None:
    """Score in a process of its own and print its peak memory."""
    command = [sys.executable, "-W", "ignore", "-c", SCORE, str(source), str(folder / "own.parquet")]
    done = subprocess.run(
        [*command, str(folder / "model"), *map(str, mapping)], capture_output=True, text=True, check=True
    )
    scored, rejected, seconds, peak = json.loads(done.stdout)
    print(f"\nIn a process of its own: {scored:,} scored, {rejected:,} rejected, {seconds:.1f} s, peak {peak:.0f} MiB.")


def print_one_patient(folder: Path) -> None:
    """Print what one patient takes: in a process that has the model, and from a cold command line."""
    model = ResponseModel.load(folder / "model")
    table = simulate_cohort(ONE_PATIENT, 5, model.bundle.protocol)
    rows = [table.iloc[[row]] for row in range(len(table))]
    courses = [cohort_from_frame(row, model.bundle.protocol) for row in rows]
    ids = table["course_id"].tolist()
    verbs: dict[str, Callable[[int], object]] = {
        "validate": lambda n: cohort_from_frame(rows[n], model.bundle.protocol),
        "predict": lambda n: model.predict(courses[n]),
        "explain": lambda n: model.explain(courses[n], ids[n]),
    }
    print("\n| one patient, Python interface | median ms | 95% point | median processor ms |\n|---|---|---|---|")
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in verbs}
    for number in [*range(len(courses))] * ONE_PATIENT_ROUNDS:
        for name, do in verbs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            do(number)
            took[name].append((1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)))
    for name, times in took.items():
        # The first of each finds nothing prepared.
        clock, processor = np.array(times[10:]).T
        print(f"| {name} | {np.median(clock):.2f} | {np.quantile(clock, 0.95):.2f} | {np.median(processor):.2f} |")
    table.iloc[[0]].to_csv(folder / "one.csv", index=False)
    command = [sys.executable, "-m", "ketapredict.cli"]
    commands = {
        "import numpy, pandas, pyarrow": [sys.executable, "-c", "import numpy, pandas, pyarrow"],
        "ketapredict explain": [*command, "explain", "one.csv", "--course", ids[0], "--model", "model"],
        "ketapredict score": [*command, "score", "one.csv", "--model", "model", "--output", "one-scored.csv"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(COLD_STARTS + 1):
        for name, arguments in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(arguments, cwd=folder, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            found[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    # The first of each finds no byte code, and files that nobody has read yet.
    medians = {name: float(np.median(seconds[1:])) for name, seconds in found.items()}
    imports = next(iter(medians.values()))
    print("\n| cold command line | median processor ms | ratio |\n|---|---|---|")
    for name, seconds in medians.items():
        print(f"| {name} | {1000 * seconds:.0f} | {seconds / imports:.2f} |")
    print()


def tree_values(model: ResponseModel, landmark: LandmarkModel, different: Path) -> np.ndarray:
    """Return the booster's features of the courses."""
    cohort = read_cohort(different, protocol=model.bundle.protocol)
    frame = design_frame(cohort, landmark.features, model.bundle.outcome)
    return frame[list(landmark.tree_features)].to_numpy(float)


def usual_way(different: Path, folder: Path, courses: int) -> Callable[[], object]:
    """Return what scores and explains a file by the pyfunc of a scikit-learn pipeline and by shap."""
    import mlflow
    import shap
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from xgboost import XGBClassifier

    given = pd.read_parquet(different)
    given = given[given["score_end"].notna()].reset_index(drop=True)
    labels = (given["score_end"] <= given["score_baseline"] / 2).astype(int)
    inputs = given.drop(columns=["course_id", "patient_id", "site", "score_end"]).dropna(axis=1, how="all")
    numbers = inputs.select_dtypes("number").columns
    texts = [name for name in inputs if name not in set(numbers)]

    def prepared(table: pd.DataFrame) -> pd.DataFrame:
        table = table[inputs.columns].copy()
        table[numbers] = table[numbers].astype(float)
        table[texts] = table[texts].astype(object).where(table[texts].notna(), "missing")
        return table

    table = prepared(given)
    encode = ColumnTransformer([("texts", OrdinalEncoder(), texts)], remainder="passthrough")
    pipeline = make_pipeline(encode, XGBClassifier(n_estimators=200, max_depth=2, learning_rate=0.05))
    pipeline.fit(table.iloc[:400], labels.iloc[:400])
    encode.set_params(texts__handle_unknown="use_encoded_value", texts__unknown_value=-1)
    pipeline[0].fit(table)
    bundle = folder / "usual"
    mlflow.sklearn.save_model(
        pipeline,
        bundle,
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        pyfunc_predict_fn="predict_proba",
    )
    served = mlflow.pyfunc.load_model(str(bundle))
    explainer = shap.TreeExplainer(pipeline[-1])
    source = folder / "usual.parquet"
    given.iloc[np.resize(np.arange(len(given)), courses)].to_parquet(source, index=False)

    def run() -> None:
        cohort = pd.read_parquet(source)
        table = prepared(cohort)
        scored = []
        for start in range(0, courses, 10_000):
            rows = table.iloc[start : start + 10_000]
            values = explainer.shap_values(pipeline[0].transform(rows))
            columns = [f"shap_{name}" for name in pipeline[0].get_feature_names_out()]
            part = pd.DataFrame(values, columns=columns)
            part.insert(0, "probability", served.predict(rows)[:, 1])
            scored.append(part)
        result = pd.concat(scored, ignore_index=True)
        result.insert(0, "course_id", cohort["course_id"])
        result.to_parquet(folder / "usual-scored.parquet", index=False)

    return run


if __name__ == "__main__":
    main()
