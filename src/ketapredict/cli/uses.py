"""Commands that use a model, and the demonstration; libraries are imported when a command needs them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ketapredict.cli.conventions import (
    ALARM,
    DEFAULT_PROTOCOL,
    DONE,
    CohortPath,
    EngineChoice,
    ExplainChoice,
    JsonOption,
    MappingOption,
    ModelOption,
    OutcomeChoice,
    OutcomeOption,
    ProtocolOption,
    SeedOption,
    leave,
    located_model,
    print_json,
    print_out,
    refuse_empty,
    rejects_status,
    tell,
    working,
)

commands = typer.Typer()


@commands.command(epilog="Example: ketapredict evaluate other-clinic.csv --model my-model/model")
def evaluate(
    cohort: CohortPath,
    model: ModelOption = None,
    mapping: MappingOption = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Protocol of the cohort; default: the model's.")
    ] = None,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure a fitted model on other data, with intervals."""
    from ketapredict.cohort import count_lines
    from ketapredict.cohort.protocols import load_protocol
    from ketapredict.cohort.read import read_cohort
    from ketapredict.validate.evaluation import evaluate as evaluate_model
    from ketapredict.validate.evaluation import refuse_other_outcome
    from ketapredict.validate.tables import as_text

    loaded = located_model(model, protocol or DEFAULT_PROTOCOL, outcome)
    if protocol is not None:
        refuse_other_outcome(loaded, load_protocol(protocol))
    with working("reading"):
        found = read_cohort(cohort, mapping, loaded.bundle.protocol, extras=loaded.bundle.extras)
    refuse_empty(found)
    with working("measuring"):
        result = evaluate_model(loaded, found, seed=seed)
    if as_json:
        measures = json.loads(result.table.to_json(orient="records"))
        print_json(
            {
                "statement": loaded.bundle.statement,
                "evaluated_on": "simulated" if found.simulated else "real",
                "measures": measures,
                "notes": [*result.notes, *found.notices],
            }
        )
    else:
        print_out(loaded.bundle.statement)
        print_out("Evaluated on " + ("SIMULATED courses." if found.simulated else "the courses of this cohort."))
        print_out("\n".join(count_lines(found)))
        sizes = result.table.groupby("landmark", sort=False)[["courses", "events"]].first()
        for landmark, (courses, events) in sizes.iterrows():
            print_out(f"{landmark}: {courses} courses, {events} with {loaded.bundle.outcome}")
        print_out(as_text(result.table))
        for note in (*result.notes, *found.notices):
            print_out(f"Note: {note}.")
    leave(rejects_status(found.counts.rejected))


@commands.command(epilog="Example: ketapredict score trial.parquet --output scored.parquet --model my-model/model")
def score(
    cohort: CohortPath,
    output: Annotated[Path, typer.Option("--output", help="CSV or Parquet file.")],
    model: ModelOption = None,
    landmark: Annotated[
        str | None, typer.Option("--landmark", help="One landmark for all; default: each course's latest.")
    ] = None,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    explain: Annotated[
        ExplainChoice, typer.Option("--explain", help="Contributions: of all concepts, the three largest, or none.")
    ] = ExplainChoice.ALL,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run that was cut short stopped.")] = False,
    engine: Annotated[
        EngineChoice, typer.Option("--engine", help="spark: on a cluster's cores, with a folder of parts as output.")
    ] = EngineChoice.LOCAL,
    as_json: JsonOption = False,
) -> None:
    """Score a cohort: probability and contributions for every course, every row accounted for.

    --protocol and --outcome only choose the champion where no --model is given.
    """
    from ketapredict.errors import EngineError
    from ketapredict.progress import rows_bar
    from ketapredict.score.files import score_file
    from ketapredict.score.spark_session import refuse_without_spark

    if engine is EngineChoice.SPARK and resume:
        raise EngineError(
            "Expected --resume with the engine local; Spark repeats failed tasks itself. Leave --resume out."
        )
    if engine is EngineChoice.SPARK:
        refuse_without_spark()
    loaded = located_model(model, protocol, outcome)
    if engine is EngineChoice.SPARK:
        from ketapredict.score.spark import score_with_spark

        with working("scoring on Spark"):
            result = score_with_spark(cohort, output, loaded, mapping=mapping, landmark=landmark, explain=explain.value)
    else:
        try:
            with rows_bar("scoring", "courses", shown=sys.stderr.isatty()) as progress:
                result = score_file(
                    cohort,
                    output,
                    loaded,
                    mapping=mapping,
                    landmark=landmark,
                    explain=explain.value,
                    resume=resume,
                    progress=progress,
                )
        except KeyboardInterrupt as stopped:
            for note in getattr(stopped, "__notes__", []):
                tell(note)
            raise
    if as_json:
        print_json(json.loads(result.manifest.read_text("utf-8")))
    else:
        tell(result.statement)
        tell(f"courses {result.courses} = scored {result.scored} + rejected {result.rejected}")
        tell(f"{result.output}\n{result.rejects}\n{result.manifest}")
    leave(rejects_status(result.rejected))


@commands.command(epilog="Example: ketapredict explain cohort.csv --course simulated-0001 --output why.html")
def explain(
    cohort: CohortPath,
    course: Annotated[str, typer.Option("--course", help="Course id.")],
    model: ModelOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="File ending in .html, .svg or .json; default: text.")
    ] = None,
    landmark: Annotated[str | None, typer.Option("--landmark", help="Default: the course's latest.")] = None,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
) -> None:
    """Explain one course: the estimate, what it rests on in words, and a waterfall picture."""
    from ketapredict.cohort.read import read_cohort
    from ketapredict.errors import FileError
    from ketapredict.whole_files import refuse_to_overwrite, write_whole

    if output is not None and output.suffix not in (".html", ".svg", ".json"):
        raise FileError(f"Expected an output that ends in .html, .svg or .json; found {output.name}.")
    loaded = located_model(model, protocol, outcome)
    if output is not None:
        refuse_to_overwrite([output], [cohort, *([mapping] if mapping else [])])
    with working("reading"):
        found = read_cohort(cohort, mapping, loaded.bundle.protocol, extras=loaded.bundle.extras)
    told = loaded.explain(found, course, landmark)
    if output is None:
        print_out(told.to_text())
        return
    content = {".html": told.to_html, ".svg": told.to_svg, ".json": told.to_json}[output.suffix]()
    write_whole({output: lambda target: target.write_text(content, "utf-8")})
    tell(told.statement)
    tell(str(output))


@commands.command(epilog="Example: ketapredict monitor this-month.csv --model my-model/model --output drift.html")
def monitor(
    cohort: Annotated[
        Path, typer.Argument(metavar="NEW", help="Table of new courses, or folder that a mapping names.")
    ],
    model: ModelOption = None,
    output: Annotated[Path | None, typer.Option("--output", help="Page: a file ending in .html.")] = None,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare a new cohort with the courses a model was trained on; exit status 1 is an alarm.

    --protocol and --outcome only choose the champion where no --model is given.
    """
    from ketapredict.cohort import count_lines
    from ketapredict.cohort.read import read_cohort
    from ketapredict.drift.monitoring import monitor as compare
    from ketapredict.drift.page import comparison_table, outcome_table, to_page
    from ketapredict.errors import FileError
    from ketapredict.whole_files import refuse_to_overwrite, write_whole

    if output is not None and output.suffix != ".html":
        raise FileError(f"Expected an output that ends in .html; found {output.name}.")
    loaded = located_model(model, protocol, outcome)
    if output is not None:
        refuse_to_overwrite([output], [cohort, *([mapping] if mapping else [])])
    with working("reading"):
        new = read_cohort(cohort, mapping, loaded.bundle.protocol, extras=loaded.bundle.extras)
    refuse_empty(new)
    with working("comparing"):
        found = compare(loaded, new, seed=seed)
    if output is not None:
        write_whole({output: lambda target: target.write_text(to_page(found), "utf-8")})
    if as_json:
        print_json(found.to_plain() | {"notices": list(new.notices)})
    else:
        print_out(found.statement)
        print_out("\n".join(count_lines(new)))
        print_out(comparison_table(found).to_string(index=False))
        if found.outcomes:
            print_out(outcome_table(found).to_string(index=False))
        for note in (*found.notes, *new.notices):
            print_out(f"Note: {note}.")
        for alarm in found.alarms:
            print_out(f"ALARM: {alarm.words}.")
        if not found.alarms:
            print_out("No alarm.")
    leave(ALARM if found.alarms else DONE)


@commands.command(epilog="Example: ketapredict demo --folder ketapredict-demo")
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is put.")] = Path("ketapredict-demo"),
    courses: Annotated[int, typer.Option("--courses", min=100, help="Number of simulated courses.")] = 400,
) -> None:
    """Do all of it on a SIMULATED cohort: simulate, train, track, register, score, explain."""
    from ketapredict.demo import run_demo

    run_demo(folder, courses, print_out, show_progress=sys.stderr.isatty())
