"""The commands as their users run them: exit status, what is printed, what is written, nothing leaked."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ketapredict.cli import main
from ketapredict.simulate import simulate_cohort

SECRET = "73.91"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in a folder of its own and return exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ketapredict", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def model_folder(short_model, tmp_path):
    short_model.save(tmp_path / "short-model")
    return tmp_path / "short-model"


@pytest.fixture
def cohort_file(short_cohort, tmp_path):
    """The contract's form of 40 simulated courses under the short protocol."""
    from ketapredict.cohort.protocols import protocol_to_plain

    plain = protocol_to_plain(short_cohort.protocol)
    lines = [f'name = "{plain["name"]}"', f"landmarks = {plain['landmarks']}", f'outcome = "{plain["outcome"]}"']
    for point in plain["time_point"]:
        lines += [
            "[[time_point]]",
            f'name = "{point["name"]}"',
            f"hours = {point['hours']}",
            f"window_hours = {point['window_hours']}",
        ]
    (tmp_path / "short.toml").write_text("\n".join(lines))
    table = simulate_cohort(40, 9, short_cohort.protocol)
    path = tmp_path / "cohort.csv"
    table.to_csv(path, index=False, float_format="%g")
    return path


def test_every_command_has_an_example_in_its_help(run):
    status, out, _ = run("--help")
    assert status == 0
    for name in (
        "check",
        "simulate",
        "train",
        "evaluate",
        "update",
        "score",
        "explain",
        "report",
        "promote",
        "demo",
        "fetch",
    ):
        assert name in out
        status, text, _ = run(name, "--help")
        assert status == 0
        assert f"Example: ketapredict {name}" in re.sub(r"\s+", " ", text)


def test_simulate_names_the_protocol_and_not_its_file(run, cohort_file, tmp_path):
    protocol = tmp_path / "short.toml"
    status, _, err = run("simulate", "--courses", 5, "--protocol", protocol, "--output", "made.csv")
    assert status == 0
    assert str(tmp_path) not in err
    assert "5 courses of" in err


def test_help_imports_no_library_that_takes_a_second():
    heavy = "mlflow sklearn xgboost shap pandas pyarrow scipy matplotlib"
    code = (
        f"import sys; sys.argv = ['ketapredict', '--help']\n"
        f"from ketapredict.cli import main\n"
        f"try: main()\nexcept SystemExit: pass\n"
        f"sys.exit(any(name in sys.modules for name in '{heavy}'.split()))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_check_counts_and_lists_every_error_in_one_pass(run, cohort_file, tmp_path):
    table = pd.read_csv(cohort_file, dtype=str)
    table.loc[2, "score_24h"] = "900"
    table.loc[2, "age_years"] = f"{SECRET} years"
    table.loc[5, "diagnosis"] = f"schizo{SECRET}"
    table.loc[9, "course_id"] = table.loc[8, "course_id"]
    table.to_csv(cohort_file, index=False)
    status, out, err = run("check", cohort_file, "--protocol", tmp_path / "short.toml", "--errors", "errors.csv")
    assert status == 1
    assert "courses 40 = accepted 36 + rejected 4" in out
    errors = pd.read_csv(tmp_path / "errors.csv", dtype=str)
    assert list(errors.columns) == ["row", "course_id", "column", "rule", "expected"]
    found = set(zip(errors["row"], errors["column"], errors["rule"], strict=True))
    assert {("3", "score_24h", "range"), ("3", "age_years", "number"), ("6", "diagnosis", "level")} <= found
    assert {("9", "course_id", "unique"), ("10", "course_id", "unique")} <= found
    for text in (out, err, (tmp_path / "errors.csv").read_text()):
        assert SECRET not in text
        assert "900" not in text
    run("check", cohort_file, "--protocol", tmp_path / "short.toml", "--errors", "shown.csv", "--show-values")
    assert SECRET in (tmp_path / "shown.csv").read_text()
    status, out, _ = run("check", cohort_file, "--protocol", tmp_path / "short.toml", "--json")
    counts = json.loads(out)["counts"]
    assert (status, counts["accepted"], counts["rejected"]) == (1, 36, 4)


def test_score_writes_the_contract_and_accounts_for_every_row(run, cohort_file, model_folder, tmp_path):
    table = pd.read_csv(cohort_file, dtype=str)
    table.loc[3, "score_baseline"] = "not rated"
    table.loc[4, ["score_24h", "score_72h"]] = np.nan
    table.to_csv(cohort_file, index=False)
    status, _, err = run("score", cohort_file, "--output", "out.csv", "--model", model_folder)
    assert status == 1
    assert err.startswith("SIMULATED")
    scored = pd.read_csv(tmp_path / "out.csv")
    leading = ["course_id", "landmark", "outcome", "probability", "p_low", "p_high", "in_scope", "notes", "base_logit"]
    assert list(scored.columns[:9]) == leading
    assert list(scored.columns[-3:]) == ["trained_on", "model_name", "model_version"]
    assert all(name.startswith("shap_") for name in scored.columns[9:-3])
    log_odds = scored["base_logit"] + scored.filter(like="shap_").sum(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-log_odds)), scored["probability"], atol=1e-12)
    assert set(scored["landmark"]) == {"24h", "72h"}
    rejects = pd.read_csv(tmp_path / "out.csv.rejects.csv", dtype=str)
    assert set(rejects["row"]) == {"4", "5"}
    assert set(rejects["rule"]) == {"number", "landmark"}
    manifest = json.loads((tmp_path / "out.csv.manifest.json").read_text())
    counts = manifest["counts"]
    assert counts["source_rows"] == counts["courses"] == 40
    assert counts["courses"] == counts["scored"] + counts["rejected"] == len(scored) + rejects["course_id"].nunique()
    assert manifest["largest_additivity_residual"] < 1e-4
    assert manifest["statement"].startswith("SIMULATED")
    status, _, _ = run("score", cohort_file, "--output", "out.parquet", "--model", model_folder)
    again = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(again["probability"], scored["probability"])


def test_explain_says_the_same_in_every_form(run, cohort_file, model_folder, tmp_path):
    course = pd.read_csv(cohort_file)["course_id"][0]
    status, text, _ = run("explain", cohort_file, "--course", course, "--model", model_folder)
    assert status == 0
    assert text.startswith("SIMULATED")
    for ending in ("html", "svg", "json"):
        name = f"why.{ending}"
        assert run("explain", cohort_file, "--course", course, "--model", model_folder, "--output", name)[0] == 0
        assert "SIMULATED" in (tmp_path / name).read_text()[:2000]
    told = json.loads((tmp_path / "why.json").read_text())
    run("score", cohort_file, "--output", "out.csv", "--model", model_folder)
    scored = pd.read_csv(tmp_path / "out.csv").set_index("course_id")
    assert told["probability"] == pytest.approx(scored.loc[course, "probability"], abs=1e-12)
    status, _, err = run("explain", cohort_file, "--course", "nobody", "--model", model_folder)
    assert status == 2
    assert "none of that id" in err


def test_evaluate_reports_with_intervals_and_refuses_another_outcome(run, cohort_file, model_folder, tmp_path):
    status, out, _ = run("evaluate", cohort_file, "--model", model_folder, "--json")
    assert status == 0
    measures = pd.DataFrame(json.loads(out)["measures"])
    model = measures[(measures["predictor"] == "model") & (measures["landmark"] == "72h")].set_index("measure")
    assert {"auc", "brier", "log_loss", "observed_over_expected"} <= set(model.index)
    assert (model["low"] <= model["estimate"]).all()
    assert (model["estimate"] <= model["high"]).all()
    status, _, err = run("evaluate", cohort_file, "--model", model_folder, "--protocol", "induction-course")
    assert status == 2
    assert "the outcome at 7d (168 h)" in err


BAD_FILES = {
    "empty": ("", "empty file"),
    "only a header": ("course_id,diagnosis,scale,score_baseline\n", "rows below the header"),
    "wrong delimiter": (f"course_id:diagnosis:scale:score_baseline\nA:MDD:MADRS:{SECRET}\n", "delimiter"),
    "missing columns": (f"course_id,age_years\nA,{SECRET}\n", "diagnosis"),
    "unknown column": (f"course_id,diagnosis,scale,score_baseline,crp\nA,MDD,MADRS,30,{SECRET}\n", "crp"),
    "nothing accepted": (f"course_id,diagnosis,scale,score_baseline\nA,MDD,MADRS,{SECRET}\n", "rejected"),
    "not text": ("\x00\x01\x02\xff\xfe" * 50, "Error"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["check", "train", "score"])
def test_files_that_cannot_be_used_end_in_one_message(run, model_folder, tmp_path, name, command):
    content, expected = BAD_FILES[name]
    path = tmp_path / "bad.csv"
    path.write_bytes(content.encode("latin-1"))
    more = ("--output", "out.csv", "--model", model_folder) if command == "score" else ()
    status, out, err = run(command, path, *more)
    assert status == 2
    assert expected in out + err
    for text in (out, err):
        assert SECRET not in text
        assert "Traceback" not in text
    assert not (tmp_path / "out.csv").exists()


def test_a_table_as_excel_writes_it_abroad(run, cohort_file, model_folder, tmp_path):
    table = pd.read_csv(cohort_file, dtype=str)
    table["bmi_kg_m2"] = table["bmi_kg_m2"].str.replace(".", ",")
    assert table["bmi_kg_m2"].str.contains(",").any()
    table.to_csv(tmp_path / "abroad.csv", sep=";", index=False, encoding="utf-8-sig")
    run("score", cohort_file, "--output", "here.csv", "--model", model_folder)
    status, _, _ = run("score", tmp_path / "abroad.csv", "--output", "abroad.out.csv", "--model", model_folder)
    assert status == 0
    assert (tmp_path / "abroad.out.csv").read_text() == (tmp_path / "here.csv").read_text()


def test_a_tenth_of_the_rows_wrong_costs_a_tenth_of_the_rows(run, model_folder, short_cohort, tmp_path):
    table = simulate_cohort(500, 3, short_cohort.protocol).astype({"score_baseline": object, "age_years": object})
    table["score_24h"] = table["score_24h"].fillna(20)
    wrong = np.arange(0, 500, 10)
    table.loc[wrong[:20], "score_baseline"] = 900
    table.loc[wrong[20:35], "age_years"] = "12/05/2024"
    table.loc[wrong[35:], "scale"] = "GAF"
    table.to_csv(tmp_path / "tenth.csv", index=False)
    status, _, _ = run("score", tmp_path / "tenth.csv", "--output", "out.csv", "--model", model_folder)
    assert status == 1
    counts = json.loads((tmp_path / "out.csv.manifest.json").read_text())["counts"]
    assert (counts["courses"], counts["scored"], counts["rejected"]) == (500, 450, 50)
    rejects = pd.read_csv(tmp_path / "out.csv.rejects.csv")
    assert set(rejects["row"]) == set((wrong + 1).tolist())


@pytest.mark.parametrize("command", ["score", "check", "explain"])
def test_no_output_replaces_an_input(run, cohort_file, model_folder, tmp_path, command):
    before = cohort_file.read_bytes()
    course = pd.read_csv(cohort_file)["course_id"][0]
    page = cohort_file.with_name("cohort.json")
    arguments = {
        "score": ("score", cohort_file, "--output", cohort_file, "--model", model_folder),
        "check": ("check", cohort_file, "--protocol", tmp_path / "short.toml", "--errors", cohort_file),
        "explain": ("explain", page, "--course", course, "--model", model_folder, "--output", page),
    }[command]
    page.write_bytes(before)
    status, _, err = run(*arguments)
    assert status == 2
    assert "is not an input" in err
    assert cohort_file.read_bytes() == page.read_bytes() == before


def test_simulated_courses_are_called_so_on_every_surface(run, cohort_file, model_folder, tmp_path):
    for arguments in (
        ("check", cohort_file, "--protocol", tmp_path / "short.toml"),
        ("evaluate", cohort_file, "--model", model_folder),
    ):
        _, out, _ = run(*arguments)
        assert "SIMULATED" in out
    assert "Evaluated on SIMULATED courses" in out


def test_without_a_model_or_a_champion_the_way_out_is_told(run, cohort_file):
    status, _, err = run("score", cohort_file, "--output", "out.csv")
    assert status == 2
    assert "champion" in err
    status, _, err = run("score", cohort_file, "--output", "out.csv", "--model", "nowhere")
    assert status == 2
    assert "Traceback" not in err


def test_a_defect_of_the_program_shows_no_value(run, cohort_file, model_folder, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"could not convert string to float: '{SECRET}'")

    monkeypatch.setattr("ketapredict.score.files.score_file", broken)
    status, out, err = run("score", cohort_file, "--output", "out.csv", "--model", model_folder)
    assert status == 70
    assert SECRET not in out + err
    assert "ValueError" in err
