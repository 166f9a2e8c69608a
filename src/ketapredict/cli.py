"""The commands: one per user task, each thin. Libraries are imported by the command that needs them."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ketapredict.errors import KetapredictError

DONE, DONE_WITH_REJECTS, CANNOT = 0, 1, 2
GATE_SAID_NO = 1
INTERNAL_ERROR = 70

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Who responds to ketamine infusions in depression, and why. Research software, not a medical device.",
)


class OutcomeChoice(StrEnum):
    """Outcomes on the command line."""

    RESPONSE = "response"
    REMISSION = "remission"


class ArmsChoice(StrEnum):
    """Arms to train on."""

    ACTIVE = "active"
    ALL = "all"


class WeightsChoice(StrEnum):
    """Weights of the courses in the fits."""

    NONE = "none"
    COMPLETION = "completion"


CohortPath = Annotated[Path, typer.Argument(metavar="COHORT", help="Table of courses, or folder that a mapping names.")]
MappingOption = Annotated[Path | None, typer.Option("--mapping", help="TOML: how your columns become the cohort's.")]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", help="single-infusion, induction-course, or a TOML file of your own.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Folder, models:/name@alias, runs:/id. Default: the champion.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Same data and seed, same bytes.")]
OutcomeOption = Annotated[OutcomeChoice, typer.Option("--outcome", help="What is predicted.")]
DEFAULT_PROTOCOL = "induction-course"


@app.command(epilog="Example: ketapredict check clinic/ --mapping clinic.toml --errors errors.csv")
def check(
    cohort: CohortPath,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    errors: Annotated[Path | None, typer.Option("--errors", help="Write every broken rule to this CSV.")] = None,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Add the offending cells to --errors: patient data.")
    ] = False,
    draft_mapping: Annotated[
        bool, typer.Option("--draft-mapping", help="Print a first mapping for these files, to be finished by hand.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Validate a table: every error in one pass, counts that add up, means and responders per arm."""
    from ketapredict import cohort as cohorts

    if draft_mapping:
        sys.stdout.write(cohorts.draft_mapping(cohort))
        return
    if errors is not None:
        from ketapredict.whole_files import refuse_to_overwrite, write_whole

        refuse_to_overwrite([errors], [cohort, *([mapping] if mapping else [])])
    with _working("reading"):
        found = cohorts.read_cohort(cohort, mapping, protocol, show_values=show_values)
    if errors is not None:
        write_whole({errors: lambda target: found.rejects.to_csv(target, index=False)})
    summary = cohorts.summarise(found)
    if as_json:
        from dataclasses import asdict

        _print_json(
            {
                "counts": asdict(found.counts),
                "summary": json.loads(summary.to_json(orient="records")),
                "rejects": json.loads(found.rejects.drop(columns="found", errors="ignore").to_json(orient="records")),
                "notices": list(found.notices),
            }
        )
    else:
        _print("\n".join(cohorts.count_lines(found)))
        if len(found):
            _print(summary.round(1).to_string(index=False))
        for notice in found.notices:
            _print(f"Note: {notice}.")
        if len(found.rejects) and errors is None:
            _print("List every broken rule with --errors FILE.csv.")
    _leave(CANNOT if not len(found) else _rejected(found.counts.rejected))


@app.command(epilog="Example: ketapredict simulate --courses 400 --seed 1 --output cohort.csv")
def simulate(
    courses: Annotated[
        int | None, typer.Option("--courses", min=1, help="Number of courses; with --check 100,000 of each study.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="CSV or Parquet file.")] = None,
    seed: SeedOption = 0,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    scale: Annotated[str, typer.Option("--scale", help="Rating scale.")] = "MADRS",
    setting: Annotated[str, typer.Option("--setting", help="clinic or trial.")] = "clinic",
    design: Annotated[
        str, typer.Option("--design", help="single, course or gradual; auto reads it from the protocol.")
    ] = "auto",
    control: Annotated[
        str, typer.Option("--control", help="none, midazolam, saline or anaesthesia: a blinded trial.")
    ] = "none",
    control_share: Annotated[
        float | None,
        typer.Option("--control-share", help="Share that gets the control; default half, if there is one."),
    ] = None,
    sites: Annotated[int, typer.Option("--sites", min=1, help="Number of sites.")] = 6,
    diagnosis_mix: Annotated[
        str, typer.Option("--diagnosis-mix", help="Shares of MDD, BD-I, BD-II and BD.")
    ] = "0.70,0.10,0.14,0.06",
    early_end_correlation: Annotated[
        float, typer.Option("--early-end-correlation", help="0.3 to 0.8: the least certain input.")
    ] = 0.5,
    dropout: Annotated[float, typer.Option("--dropout", help="Share without an outcome, 0.04 to 0.20.")] = 0.11,
    truth: Annotated[
        bool, typer.Option("--truth", help="Write the known truth beside it, as OUTPUT's name with .truth in it.")
    ] = False,
    check_fidelity: Annotated[
        bool, typer.Option("--check", help="Compare simulated with published figures; --output gets the table (CSV).")
    ] = False,
) -> None:
    """Make a SIMULATED cohort that agrees with what is published, or show with --check that it does."""
    from ketapredict.cohort import load_protocol
    from ketapredict.errors import CohortError, FileError
    from ketapredict.simulate import Scenario, write_cohort, write_truth
    from ketapredict.whole_files import FORMATS, make_folder, write_table, write_whole

    if check_fidelity:
        from ketapredict.simulate.fidelity import accepted, fidelity_table, summary

        if output is not None and output.suffix != ".csv":
            raise FileError(f"Expected an output that ends in .csv for the table of --check; found {output.name}.")
        chosen = (setting, scale, design, control, diagnosis_mix, truth, protocol)
        if chosen != ("clinic", "MADRS", "auto", "none", "0.70,0.10,0.14,0.06", False, DEFAULT_PROTOCOL):
            raise CohortError(
                "--check imitates each published study with that study's own settings: give it --courses, --seed and "
                "--output only."
            )
        if output is not None:
            make_folder(output.parent)
        table = fidelity_table(courses or 100_000, seed)
        _print(table.drop(columns="kind").to_string(index=False))
        _print(summary(table))
        if output is not None:
            write_whole({output: lambda target: write_table(table, target)})
        _leave(DONE if accepted(table) else DONE_WITH_REJECTS)
        return
    if courses is None or output is None:
        raise FileError("Expected --courses and --output (or --check); give both.")
    if output.suffix not in FORMATS:
        raise FileError(f"Expected an output that ends in {' or '.join(FORMATS)}; found {output.name}.")
    try:
        try:
            shares = [float(share) for share in diagnosis_mix.split(",")]
        except ValueError:
            raise CohortError("Expected four shares for --diagnosis-mix, as in 0.70,0.10,0.14,0.06.") from None
        scenario = Scenario(
            protocol=load_protocol(protocol),
            scale=scale,
            setting=setting,  # type: ignore[arg-type]
            design=design,  # type: ignore[arg-type]
            control=control,  # type: ignore[arg-type]
            control_share=(0.5 if control != "none" else 0.0) if control_share is None else control_share,
            n_sites=sites,
            diagnosis_shares=tuple(shares),  # type: ignore[arg-type]
            early_end_correlation=early_end_correlation,
            dropout=dropout,
        )
    except ValueError as error:
        raise CohortError(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    files: dict[Path, Any] = {output: lambda target: write_cohort(scenario, courses, seed, target)}
    if truth:
        beside = output.with_name(f"{output.stem}.truth{output.suffix}")
        files[beside] = lambda target: write_truth(scenario, courses, seed, target)
    write_whole(files)
    _tell(f"SIMULATED: {courses} courses of {scenario.protocol.name} in {output}. No patient is in it.")


@app.command(epilog="Example: ketapredict train cohort.csv --output my-model --seed 1")
def train(
    cohort: CohortPath,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for model and report; default: <protocol>-<outcome>.")
    ] = None,
    arms: Annotated[
        ArmsChoice, typer.Option("--arms", help="Train on active courses, or on all with the arm as a feature.")
    ] = ArmsChoice.ACTIVE,
    weights: Annotated[
        WeightsChoice,
        typer.Option("--weights", help="Let courses with an outcome stand for those like them without one."),
    ] = WeightsChoice.NONE,
    quick: Annotated[bool, typer.Option("--quick", help="Few resamples: a first look; the card says so.")] = False,
    repeats: Annotated[
        int | None, typer.Option("--repeats", min=1, help="Repeats of the 5-fold cross-validation; default 10.")
    ] = None,
    refits: Annotated[
        int | None, typer.Option("--refits", min=0, help="Bootstrap refits for stability; default 80, better 200.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Validate, cross-validate, fit, write the model card, log to MLflow and register a model per landmark."""
    from dataclasses import replace

    from ketapredict.cohort import count_lines
    from ketapredict.cohort.read import read_cohort
    from ketapredict.training import train as train_model
    from ketapredict.validate.study import FULL, QUICK
    from ketapredict.validate.tables import as_text, differences_as_text, differences_table, measures_table

    if refits == 1:
        raise KetapredictError("Expected --refits 0, or at least 2: one refit shows no spread.")
    effort = QUICK if quick else FULL
    effort = replace(
        effort,
        repeats=effort.repeats if repeats is None else repeats,
        refits=effort.refits if refits is None else refits,
    )
    with _working("reading"):
        found = read_cohort(cohort, mapping, protocol)
    _refuse_empty(found)
    result = train_model(
        found,
        outcome=outcome.value,
        seed=seed,
        all_arms=arms is ArmsChoice.ALL,
        weighted=weights is WeightsChoice.COMPLETION,
        effort=effort,
        output=output,
        show_progress=sys.stderr.isatty(),
    )
    measures = measures_table(result.validations)
    if as_json:
        _print_json(
            {
                "statement": result.model.bundle.statement,
                "model": str(result.folder / "model"),
                "model_sha256": result.model.sha256,
                "model_uri": result.run.model_uri,
                "run_id": result.run.run_id,
                "refused": result.refused,
                "card": str(result.card),
                "warnings": [warning for study in result.studies for warning in study.warnings],
                "measures": json.loads(measures.to_json(orient="records")),
                "differences": json.loads(differences_table(result.validations).to_json(orient="records")),
            }
        )
    else:
        first = result.validations[0]
        _print(result.model.bundle.statement)
        _print("\n".join(count_lines(found)))
        for validation in result.validations:
            _print(
                f"landmark {validation.landmark}: {validation.courses} courses of {validation.patients} patients with "
                f"its score and the outcome, {validation.events} with {outcome.value}"
            )
        _print(f"\nOut of fold ({first.n_repeats} x {first.n_folds}-fold), 95% intervals over patients:")
        _print(as_text(measures))
        _print("\nModel minus comparator, log-loss (under 0: the model is better), paired 95% intervals:")
        _print(differences_as_text(differences_table(result.validations)))
        _print("")
        for study in result.studies:
            for sentence in (*(f"WARNING  {warning}" for warning in study.warnings), *study.statements):
                _print(sentence)
        for reason in result.refused.values():
            _print(f"Not fitted: {reason}")
        for notice in found.notices:
            _print(f"Note: {notice}.")
        _print(f"\nmodel     {result.folder / 'model'}")
        _print(f"card      {result.card} (open it in a browser; tables and pictures beside it)")
        if found.counts.rejected:
            _print(f"rejects   {result.folder / 'rejects.csv'} ({found.counts.rejected} courses)")
        _print(f"registry  {result.run.model_uri} in {result.run.tracking_uri}")
        _print(f"resampled {effort.words}")
        _tell(f"time      {result.stopwatch.words}")
    _leave(_rejected(found.counts.rejected))


@app.command(epilog="Example: ketapredict evaluate other-clinic.csv --model my-model/model")
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

    loaded = _model(model, protocol or DEFAULT_PROTOCOL, outcome)
    if protocol is not None:
        refuse_other_outcome(loaded, load_protocol(protocol))
    with _working("reading"):
        found = read_cohort(cohort, mapping, loaded.bundle.protocol, extras=loaded.bundle.extras)
    _refuse_empty(found)
    with _working("measuring"):
        result = evaluate_model(loaded, found, seed=seed)
    if as_json:
        measures = json.loads(result.table.to_json(orient="records"))
        _print_json(
            {
                "statement": loaded.bundle.statement,
                "evaluated_on": "simulated" if found.simulated else "real",
                "measures": measures,
                "notes": [*result.notes, *found.notices],
            }
        )
    else:
        _print(loaded.bundle.statement)
        _print("Evaluated on " + ("SIMULATED courses." if found.simulated else "the courses of this cohort."))
        _print("\n".join(count_lines(found)))
        sizes = result.table.groupby("landmark", sort=False)[["courses", "events"]].first()
        for landmark, (courses, events) in sizes.iterrows():
            _print(f"{landmark}: {courses} courses, {events} with {loaded.bundle.outcome}")
        _print(as_text(result.table))
        for note in (*result.notes, *found.notices):
            _print(f"Note: {note}.")
    _leave(_rejected(found.counts.rejected))


@app.command(epilog="Example: ketapredict update my-model/model other-clinic.csv --output updated --seed 1")
def update(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, models:/name@alias, runs:/id.")],
    cohort: CohortPath,
    mapping: MappingOption = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Protocol of the cohort; default: the model's.")
    ] = None,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for model and report; default: <model's name>-updated.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Repeats of the 5-fold cross-validation.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Update a model for a new site: intercept, slope, shrunken refit or as it is, by cross-validation."""
    from ketapredict.cohort.protocols import load_protocol
    from ketapredict.cohort.read import read_cohort
    from ketapredict.tracking.registry import find_model
    from ketapredict.updating import update as update_model
    from ketapredict.validate.evaluation import refuse_other_outcome

    parent = find_model(model)
    if protocol is not None:
        refuse_other_outcome(parent, load_protocol(protocol))
    with _working("reading"):
        found = read_cohort(cohort, mapping, parent.bundle.protocol, extras=parent.bundle.extras)
    _refuse_empty(found)
    result = update_model(parent, found, seed=seed, repeats=repeats, output=output, show_progress=sys.stderr.isatty())
    if as_json:
        _print_json(result.to_plain())
    else:
        _print(result.to_text())
    _leave(_rejected(found.counts.rejected))


@app.command(epilog="Example: ketapredict score trial.parquet --output scored.parquet --model my-model/model")
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
    as_json: JsonOption = False,
) -> None:
    """Score a cohort: probability and contributions for every course, every row accounted for.

    --protocol and --outcome only choose the champion where no --model is given.
    """
    from ketapredict.progress import progress_bar
    from ketapredict.score.files import score_file

    loaded = _model(model, protocol, outcome)
    with progress_bar("scoring", 3, shown=sys.stderr.isatty()) as progress:
        result = score_file(cohort, output, loaded, mapping=mapping, landmark=landmark, progress=progress)
    if as_json:
        _print_json(json.loads(result.manifest.read_text("utf-8")))
    else:
        _tell(result.statement)
        _tell(f"courses {result.courses} = scored {result.scored} + rejected {result.rejected}")
        _tell(f"{result.output}\n{result.rejects}\n{result.manifest}")
    _leave(_rejected(result.rejected))


@app.command(epilog="Example: ketapredict explain cohort.csv --course simulated-0001 --output why.html")
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
    loaded = _model(model, protocol, outcome)
    if output is not None:
        refuse_to_overwrite([output], [cohort, *([mapping] if mapping else [])])
    with _working("reading"):
        found = read_cohort(cohort, mapping, loaded.bundle.protocol, extras=loaded.bundle.extras)
    told = loaded.explain(found, course, landmark)
    if output is None:
        _print(told.to_text())
        return
    content = {".html": told.to_html, ".svg": told.to_svg, ".json": told.to_json}[output.suffix]()
    write_whole({output: lambda target: target.write_text(content, "utf-8")})
    _tell(told.statement)
    _tell(str(output))


@app.command(epilog="Example: ketapredict report --model my-model/model --output model.md")
def report(
    output: Annotated[Path, typer.Option("--output", help="Markdown file.")],
    model: ModelOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
) -> None:
    """Write what a model is: sizes, members, every coefficient, provenance."""
    from ketapredict.report.model_facts import model_facts
    from ketapredict.whole_files import write_whole

    loaded = _model(model, protocol, outcome)
    write_whole({output: lambda target: target.write_text(model_facts(loaded), "utf-8")})
    _tell(loaded.bundle.statement)
    _tell(str(output))


@app.command(epilog="Example: ketapredict promote challenger --on other-clinic.csv")
def promote(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Number, latest, challenger, or models:/NAME/VERSION.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Registered name; default: <protocol>-<outcome>.")] = None,
    protocol: Annotated[
        str | None, typer.Option("--protocol", help=f"Of model and hold-out. Default: {DEFAULT_PROTOCOL}.")
    ] = None,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    on: Annotated[
        Path | None,
        typer.Option("--on", metavar="COHORT", help="Hold-out: courses that neither model was trained on."),
    ] = None,
    mapping: MappingOption = None,
    allow_simulated: Annotated[
        bool, typer.Option("--allow-simulated", help="Let simulated courses count; the log says so.")
    ] = False,
    log: Annotated[bool, typer.Option("--log", help="Show all decisions so far, and decide nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a version become champion if it passes the gate; exit status 1 if not. Every decision is logged.

    Compared with the champion on the resamples that both runs share, or on the courses of --on.
    """
    from ketapredict.cohort.protocols import load_protocol
    from ketapredict.errors import FileError, ModelError
    from ketapredict.tracking import decision_log
    from ketapredict.tracking.gathering import HoldOut
    from ketapredict.tracking.promotion import decisions
    from ketapredict.tracking.promotion import promote as decide

    if log:
        lines = decisions()
        _print_json([line.content for line in lines]) if as_json else _print(decision_log.as_text(lines))
        return
    if version is None:
        raise ModelError("Expected a VERSION: a number, latest, challenger, or models:/NAME/VERSION; found none.")
    if on is None and mapping is not None:
        raise FileError("--mapping is how the courses of --on are read: give both.")
    given = load_protocol(protocol) if protocol is not None else None
    hold_out = HoldOut(on, mapping, given) if on is not None else None
    own_name = name or f"{(given or load_protocol(DEFAULT_PROTOCOL)).name}-{outcome.value}"
    with _working("comparing"):
        result = decide(version, own_name, hold_out=hold_out, allow_simulated=allow_simulated)
    if as_json:
        _print_json(result.plain())
    else:
        _print(result.as_text())
    _leave(DONE if result.decision.yes else GATE_SAID_NO)


@app.command(epilog="Example: ketapredict fetch nimh-ds005917 --to nimh")
def fetch(
    data_set: Annotated[str, typer.Argument(metavar="DATASET", help="nimh-ds005917: the NIMH ketamine crossover.")],
    to: Annotated[Path | None, typer.Option("--to", help="Folder; default: the data set's name.")] = None,
) -> None:
    """Download public patient data, verified, with the mapping and the protocol to read them."""
    import shlex

    from ketapredict.public_data import fetch_data_set

    found = fetch_data_set(data_set, to, say=_tell)
    folder = shlex.quote(str(found.folder))
    mapping, protocol = (
        shlex.quote(str(found.folder / name)) for name in (found.data_set.mappings[0], found.data_set.protocol)
    )
    _print(f"{found.data_set.title}, version {found.data_set.version}, in {found.folder}")
    _print(f"Licence   {found.data_set.licence}")
    _print(f"Citation  {found.data_set.citation}")
    _print(f"\nketapredict check {folder} --mapping {mapping} --protocol {protocol}")
    _print(f"ketapredict score {folder} --mapping {mapping} --model MODEL --output scored.csv")


@app.command(epilog="Example: ketapredict demo --folder ketapredict-demo")
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything is put.")] = Path("ketapredict-demo"),
    courses: Annotated[int, typer.Option("--courses", min=100, help="Number of simulated courses.")] = 400,
) -> None:
    """Do all of it on a SIMULATED cohort: simulate, train, track, register, score, explain."""
    from ketapredict.demo import run_demo

    run_demo(folder, courses, _print, show_progress=sys.stderr.isatty())


def main() -> NoReturn:
    """Run the commands; a user's mistake ends in one message and exit status 2."""
    import warnings

    if not os.environ.get("KETAPREDICT_DEBUG"):
        # Warnings of libraries may quote data; what users must know is said by the commands.
        warnings.simplefilter("ignore")
    try:
        app()
    except KetapredictError as error:
        _tell(f"Error: {error}")
        sys.exit(CANNOT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except Exception as error:
        # A library's message or a traceback may hold a patient's value: neither is printed unasked.
        if os.environ.get("KETAPREDICT_DEBUG"):
            raise
        _tell(
            f"Error inside ketapredict ({type(error).__name__}): this is a defect of the program, please report it. "
            "KETAPREDICT_DEBUG=1 shows the traceback, which may hold patients' values."
        )
        sys.exit(INTERNAL_ERROR)
    sys.exit(DONE)


def _model(location: str | None, protocol: str, outcome: OutcomeChoice) -> Any:
    from ketapredict.cohort.protocols import load_protocol
    from ketapredict.tracking.registry import champion, find_model

    if location is not None:
        return find_model(location)
    return champion(f"{load_protocol(protocol).name}-{outcome.value}")


@contextmanager
def _working(what: str) -> Iterator[None]:
    """Show on a terminal that work is going on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def _refuse_empty(cohort: Any) -> None:
    if not len(cohort):
        from ketapredict.errors import CohortError

        raise CohortError(
            f"All {cohort.counts.courses} courses were rejected. `ketapredict check COHORT --errors errors.csv` "
            "lists every broken rule."
        )


def _rejected(number: int) -> int:
    return DONE_WITH_REJECTS if number else DONE


def _leave(status: int) -> None:
    if status:
        raise typer.Exit(status)


def _print(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")


def _print_json(content: object) -> None:
    _print(json.dumps(content, indent=1, allow_nan=False))


def _tell(text: str) -> None:
    sys.stderr.write(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    main()
