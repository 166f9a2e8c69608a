"""Commands that make and release models; libraries are imported when a command needs them."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ketapredict.cli.conventions import (
    DEFAULT_PROTOCOL,
    DONE,
    GATE_SAID_NO,
    ArmsChoice,
    CohortPath,
    JsonOption,
    MappingOption,
    ModelOption,
    OutcomeChoice,
    OutcomeOption,
    ProtocolOption,
    SeedOption,
    WeightsChoice,
    leave,
    located_model,
    print_json,
    print_out,
    refuse_empty,
    rejects_status,
    tell,
    working,
)
from ketapredict.errors import KetapredictError

commands = typer.Typer()


@commands.command(epilog="Example: ketapredict train cohort.csv --output my-model --seed 1")
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
    prior: Annotated[
        str,
        typer.Option(
            "--prior", help="Start from the package's evidence, from none, or from the FILE of another prior."
        ),
    ] = "evidence",
    quick: Annotated[bool, typer.Option("--quick", help="Few resamples: a first look; the card says so.")] = False,
    repeats: Annotated[
        int | None, typer.Option("--repeats", min=1, help="Repeats of the 5-fold cross-validation; default 10.")
    ] = None,
    refits: Annotated[
        int | None, typer.Option("--refits", min=0, help="Bootstrap refits for stability; default 200.")
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
    with working("reading"):
        found = read_cohort(cohort, mapping, protocol)
    refuse_empty(found)
    result = train_model(
        found,
        outcome=outcome.value,
        seed=seed,
        all_arms=arms is ArmsChoice.ALL,
        weighted=weights is WeightsChoice.COMPLETION,
        prior=prior,
        effort=effort,
        output=output,
        show_progress=sys.stderr.isatty(),
    )
    measures = measures_table(result.validations)
    if as_json:
        print_json(
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
        print_out(result.model.bundle.statement)
        print_out("\n".join(count_lines(found)))
        for validation in result.validations:
            print_out(
                f"landmark {validation.landmark}: {validation.courses} courses of {validation.patients} patients with "
                f"its score and the outcome, {validation.events} with {outcome.value}"
            )
        if result.validations:
            first = result.validations[0]
            print_out(f"\nOut of fold ({first.n_repeats} x {first.n_folds}-fold), 95% intervals over patients:")
            print_out(as_text(measures))
            print_out("\nModel minus comparator, log-loss (under 0: the model is better), paired 95% intervals:")
            print_out(differences_as_text(differences_table(result.validations)))
        print_out("")
        for study in result.studies:
            for sentence in (*(f"WARNING  {warning}" for warning in study.warnings), *study.statements):
                print_out(sentence)
        for reason in result.refused.values():
            print_out(f"Not fitted: {reason}")
        for notice in result.model.bundle.provenance["notices"]:
            print_out(f"Note: {notice}.")
        print_out(f"\nmodel     {result.folder / 'model'}")
        print_out(f"card      {result.card} (open it in a browser; tables and pictures beside it)")
        if found.counts.rejected:
            print_out(f"rejects   {result.folder / 'rejects.csv'} ({found.counts.rejected} courses)")
        print_out(f"registry  {result.run.model_uri} in {result.run.tracking_uri}")
        print_out(f"resampled {effort.words if result.studies else 'nothing: no landmark was fitted'}")
        tell(f"time      {result.stopwatch.words}")
    leave(rejects_status(found.counts.rejected))


@commands.command(epilog="Example: ketapredict evidence --protocol clinic.toml --output start")
def evidence(
    output: Annotated[Path, typer.Option("--output", help="Folder for the model and its card.")],
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
    prior: Annotated[str, typer.Option("--prior", help="The package's evidence, or the FILE of another prior.")] = (
        "evidence"
    ),
    on: Annotated[
        Path | None, typer.Option("--on", metavar="COHORT", help="Courses to try it on, for the card.")
    ] = None,
    mapping: MappingOption = None,
) -> None:
    """Make the model of a protocol from published evidence and simulated courses, before any patient of one's own."""
    from ketapredict.cohort.protocols import load_protocol
    from ketapredict.cohort.read import read_cohort
    from ketapredict.errors import FileError
    from ketapredict.evidence_models import evidence_model, save_evidence_model
    from ketapredict.report.folder import CARD

    if on is None and mapping is not None:
        raise FileError("--mapping is how the courses of --on are read: give both.")
    chosen = load_protocol(protocol)
    with working("making"):
        cohorts = [] if on is None else [(f"Courses of {on.name}", read_cohort(on, mapping, chosen))]
        made = evidence_model(chosen, outcome.value, prior=prior, tried_on=cohorts)
        save_evidence_model(made, output)
    print_out(made.model.bundle.statement)
    print_out(f"model     {output / 'model'}\ncard      {output / CARD}.html (open it in a browser)")


@commands.command(epilog="Example: ketapredict update my-model/model other-clinic.csv --output updated --seed 1")
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
    with working("reading"):
        found = read_cohort(cohort, mapping, parent.bundle.protocol, extras=parent.bundle.extras)
    refuse_empty(found)
    result = update_model(parent, found, seed=seed, repeats=repeats, output=output, show_progress=sys.stderr.isatty())
    if as_json:
        print_json(result.to_plain())
    else:
        print_out(result.to_text())
    leave(rejects_status(found.counts.rejected))


@commands.command(epilog="Example: ketapredict promote challenger --on other-clinic.csv")
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
        typer.Option(
            "--on",
            metavar="COHORT",
            help="Courses that neither was trained on, or only VERSION was.",
        ),
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
        print_json([line.content for line in lines]) if as_json else print_out(decision_log.as_text(lines))
        return
    if version is None:
        raise ModelError("Expected a VERSION: a number, latest, challenger, or models:/NAME/VERSION; found none.")
    if on is None and mapping is not None:
        raise FileError("--mapping is how the courses of --on are read: give both.")
    given = load_protocol(protocol) if protocol is not None else None
    hold_out = HoldOut(on, mapping, given) if on is not None else None
    own_name = name or f"{(given or load_protocol(DEFAULT_PROTOCOL)).name}-{outcome.value}"
    with working("comparing"):
        result = decide(version, own_name, hold_out=hold_out, allow_simulated=allow_simulated)
    if as_json:
        print_json(result.plain())
    else:
        print_out(result.as_text())
    leave(DONE if result.decision.yes else GATE_SAID_NO)


@commands.command(epilog="Example: ketapredict report --model my-model/model --output model.md")
def report(
    output: Annotated[Path, typer.Option("--output", help="Markdown file.")],
    model: ModelOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    outcome: OutcomeOption = OutcomeChoice.RESPONSE,
) -> None:
    """Write what a model is: sizes, members, every coefficient, provenance."""
    from ketapredict.report.model_facts import model_facts
    from ketapredict.whole_files import write_whole

    loaded = located_model(model, protocol, outcome)
    write_whole({output: lambda target: target.write_text(model_facts(loaded), "utf-8")})
    tell(loaded.bundle.statement)
    tell(str(output))
