"""The demonstration: everything once, on a simulated cohort, in a folder of its own."""

import os
from collections.abc import Callable
from pathlib import Path

from ketapredict.cohort.protocols import DEFAULT_PROTOCOL, load_protocol
from ketapredict.cohort.read import read_cohort
from ketapredict.response_model import ResponseModel
from ketapredict.score.files import score_file
from ketapredict.simulate import simulate_cohort
from ketapredict.training import train
from ketapredict.validate.study import Effort
from ketapredict.validate.tables import as_text, measures_table
from ketapredict.whole_files import write_table, write_whole

SEED = 1
EFFORT = Effort(repeats=2, refits=12, curve_repeats=0)


def run_demo(folder: Path, courses: int, say: Callable[[str], None], *, show_progress: bool) -> None:
    """Simulate, train, track, register, score and explain, and say what to open.

    Parameters
    ----------
    folder : Path
        Made if absent; earlier results in it are replaced.
    courses : int
    say : callable
        Prints a line.
    show_progress : bool
    """
    folder.mkdir(parents=True, exist_ok=True)
    started_in = Path.cwd()
    os.chdir(folder)  # MLflow's default store then lives in the folder as well
    try:
        cohort_file, scored_file, why = Path("cohort.csv"), Path("scored.csv"), Path("why.html")
        table = simulate_cohort(courses, SEED, load_protocol(DEFAULT_PROTOCOL))
        write_whole({cohort_file: lambda target: write_table(table, target)})
        cohort = read_cohort(cohort_file)
        course = str(cohort.table["course_id"].iloc[0])
        before = ResponseModel.load(f"evidence/{DEFAULT_PROTOCOL}").explain(cohort, course)
        say("SIMULATED courses: no patient is in this demonstration.\n\nBefore any training, the evidence model:\n")
        say(before.to_text())
        say("Training on the simulated courses takes about a minute. Then:\n")
        result = train(cohort, seed=SEED, effort=EFFORT, output="model", show_progress=show_progress)
        model = result.model
        scored = score_file(cohort_file, scored_file, model)
        told = model.explain(cohort, course)
        write_whole(
            {
                why: lambda target: target.write_text(told.to_html(), "utf-8"),
                why.with_suffix(".svg"): lambda target: target.write_text(told.to_svg(), "utf-8"),
                why.with_suffix(".txt"): lambda target: target.write_text(told.to_text(), "utf-8"),
            }
        )
    finally:
        os.chdir(started_in)
    say(told.to_text())
    say(f"\nOut of fold ({EFFORT.repeats} x 5-fold), 95% intervals over patients, SIMULATED courses:")
    say(as_text(measures_table(result.validations)))
    say(f"\nscored {scored.scored} of {scored.courses} simulated courses")
    say("\nOpen:")
    say(f"  {folder / why}          one patient's explanation ({course})")
    say(f"  {folder / scored_file}        probability and contributions of every course")
    say(f"  {folder / result.card}   the model card: performance, limits, full specification")
    page = f"--model {folder / 'model' / 'model'} --cohort {folder / cohort_file}"
    say(f"  the clinician's page: ketapredict serve {page} --no-auth")
    say(f"  the runs and the registry: mlflow ui --backend-store-uri sqlite:///{folder / 'mlflow.db'}")
