"""Commands about tables of courses; libraries are imported when a command needs them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ketapredict.cli.conventions import (
    CANNOT,
    DEFAULT_PROTOCOL,
    DONE,
    DONE_WITH_REJECTS,
    CohortPath,
    JsonOption,
    MappingOption,
    ProtocolOption,
    SeedOption,
    leave,
    print_json,
    print_out,
    rejects_status,
    tell,
    working,
)

commands = typer.Typer()


@commands.command(epilog="Example: ketapredict check clinic/ --mapping clinic.toml --errors errors.csv")
def check(
    cohort: CohortPath,
    mapping: MappingOption = None,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    errors: Annotated[Path | None, typer.Option("--errors", help="Write every broken rule to this CSV.")] = None,
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Add the offending cells to --errors: patient data.")
    ] = False,
    draft_mapping: Annotated[
        bool,
        typer.Option("--draft-mapping", help="Print a first mapping to finish by hand; with --mapping adam: that."),
    ] = False,
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", help="REDCap data dictionary (CSV): the draft is made from it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Validate a table: every error in one pass, counts that add up, means and responders per arm."""
    from ketapredict import cohort as cohorts
    from ketapredict.errors import FileError

    if dictionary is not None and not draft_mapping:
        raise FileError("Expected --dictionary together with --draft-mapping; the mapping is what reads the export.")
    if draft_mapping and dictionary is not None:
        sys.stdout.write(cohorts.draft_redcap(cohort, dictionary, cohorts.load_protocol(protocol)))
        return
    if draft_mapping and mapping is not None:
        from ketapredict.cohort.mapping_file import own_mapping_text

        sys.stdout.write(own_mapping_text(str(mapping)))
        return
    if draft_mapping:
        sys.stdout.write(cohorts.draft_mapping(cohort))
        return
    if errors is not None:
        from ketapredict.whole_files import refuse_to_overwrite, write_whole

        refuse_to_overwrite([errors], [cohort, *([mapping] if mapping else [])])
    with working("reading"):
        found = cohorts.read_cohort(cohort, mapping, protocol, show_values=show_values)
    if errors is not None:
        write_whole({errors: lambda target: found.rejects.to_csv(target, index=False)})
    summary = cohorts.summarise(found)
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "counts": asdict(found.counts),
                "summary": json.loads(summary.to_json(orient="records")),
                "rejects": json.loads(found.rejects.drop(columns="found", errors="ignore").to_json(orient="records")),
                "notices": list(found.notices),
            }
        )
    else:
        print_out("\n".join(cohorts.count_lines(found)))
        if len(found):
            print_out(summary.round(1).to_string(index=False))
        for notice in found.notices:
            print_out(f"Note: {notice}.")
        if len(found.rejects) and errors is None:
            print_out("List every broken rule with --errors FILE.csv.")
    leave(CANNOT if not len(found) else rejects_status(found.counts.rejected))


@commands.command(epilog="Example: ketapredict simulate --courses 400 --seed 1 --output cohort.csv")
def simulate(
    context: typer.Context,
    courses: Annotated[
        int | None, typer.Option("--courses", min=1, help="Number of courses; with --check 100,000 of each study.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="CSV or Parquet file.")] = None,
    seed: SeedOption = 0,
    protocol: ProtocolOption = DEFAULT_PROTOCOL,
    scale: Annotated[str, typer.Option("--scale", help="Rating scale.")] = "MADRS",
    setting: Annotated[str, typer.Option("--setting", help="clinic or trial.")] = "clinic",
    design: Annotated[
        str, typer.Option("--design", help="single, course or gradual (not ketamine); auto reads it from the protocol.")
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
    from ketapredict.simulate.time_course import treatment_text
    from ketapredict.whole_files import FORMATS, make_folder, write_table, write_whole

    if check_fidelity:
        from ketapredict.simulate.fidelity import LEAST_COURSES, accepted, fidelity_table, summary
        from ketapredict.simulate.further import further_text

        if output is not None and output.suffix != ".csv":
            raise FileError(f"Expected an output that ends in .csv for the table of --check; found {output.name}.")
        own = ("check_fidelity", "courses", "output", "seed")
        asked = {name for name in context.params if context.get_parameter_source(name).name != "DEFAULT"}  # type: ignore[union-attr]
        if asked - set(own):
            raise CohortError(
                "--check imitates each published study with that study's own settings: give it --courses, --seed and "
                "--output only."
            )
        if courses is not None and courses < LEAST_COURSES:
            raise CohortError(
                f"Expected --courses of {LEAST_COURSES:,} or more with --check, or some published figures have no "
                f"simulated course to be compared with; found {courses:,}."
            )
        if output is not None:
            make_folder(output.parent)
        table = fidelity_table(courses or 100_000, seed)
        print_out(table.drop(columns="kind").to_string(index=False))
        print_out(summary(table))
        print_out(further_text(courses or 100_000, seed))
        if output is not None:
            write_whole({output: lambda target: write_table(table, target)})
        leave(DONE if accepted(table) else DONE_WITH_REJECTS)
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
    tell(treatment_text(scenario))
    tell(f"SIMULATED: {courses} courses of {scenario.protocol.name} in {output}. No patient is in it.")


@commands.command(epilog="Example: ketapredict fetch nimh-ds005917 --to nimh")
def fetch(
    data_set: Annotated[str, typer.Argument(metavar="DATASET", help="nimh-ds005917: the NIMH ketamine crossover.")],
    to: Annotated[Path | None, typer.Option("--to", help="Folder; default: the data set's name.")] = None,
) -> None:
    """Download public patient data, verified, with the mapping and the protocol to read them."""
    import shlex

    from ketapredict.public_data import fetch_data_set

    found = fetch_data_set(data_set, to, say=tell)
    folder = shlex.quote(str(found.folder))
    mapping, protocol = (
        shlex.quote(str(found.folder / name)) for name in (found.data_set.mappings[0], found.data_set.protocol)
    )
    print_out(f"{found.data_set.title}, version {found.data_set.version}, in {found.folder}")
    print_out(f"Licence   {found.data_set.licence}")
    print_out(f"Citation  {found.data_set.citation}")
    print_out(f"\nketapredict check {folder} --mapping {mapping} --protocol {protocol}")
    print_out(f"ketapredict score {folder} --mapping {mapping} --model MODEL --output scored.csv")
