from pathlib import Path

import pandas as pd
import pytest

from ketapredict.cohort import draft_mapping, load_mapping, read_cohort
from ketapredict.errors import FileError


def drafted(path: Path, tmp_path: Path) -> str:
    text = draft_mapping(path)
    target = tmp_path / "draft.toml"
    target.write_text(text, encoding="utf-8")
    load_mapping(target)
    return text


def test_nimh(realdata: Path, tmp_path: Path) -> None:
    text = drafted(realdata / "nimh_ds005917", tmp_path)
    for line in (
        'on = "participant_id"',
        'scale = "MADRS"',
        'sex = { from = "sex", levels = { F = "female", M = "male" } }',
        'label = "session_id"',
        'score = "MADRS_Total"',
        'baseline = "ses-b0"',
        'MDD = "MDD"',
    ):
        assert line in text
    assert "sub-MOA" not in text


def test_dia(realdata: Path, tmp_path: Path) -> None:
    text = drafted(realdata / "dia_hamd17", tmp_path)
    for line in ('score_baseline = "BASVAL"', 'score = "HAMDTL17"', 'site = "POOLINV"', 'PLACEBO = "control"'):
        assert line in text


def test_riesby(realdata: Path, tmp_path: Path) -> None:
    text = drafted(realdata / "riesby_hdrs" / "riesby_long.csv", tmp_path)
    assert 'course_id = "{id}"' in text
    assert 'label = "week"' in text


def test_a_wide_table_and_no_values(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "patient no": [f"Xq{number}" for number in range(8)],
            "age": range(30, 38),
            "Geschlecht": ["w", "m"] * 4,
            "note": [f"secret {number}" for number in range(8)],
            "madrs_pre": [31, 32, 33, 34, 35, 36, 37, 38],
            "madrs_24h": [21] * 8,
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = drafted(tmp_path / "t.csv", tmp_path)
    assert 'score_baseline = "madrs_pre"' in text
    assert '# score_<time point> = "madrs_24h"' in text
    assert 'levels = { m = "male", w = "female" }' in text
    assert not any(value in text for value in ("Xq", "secret", "31", "21"))


def test_names_of_the_contract_are_taken_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"course_id": ["a", "b"], "diagnosis": "MDD", "scale": "MADRS", "score_baseline": [30, 31]})
    frame.assign(extra_note="x").to_csv(tmp_path / "t.csv", index=False)
    drafted(tmp_path / "t.csv", tmp_path)
    assert len(read_cohort(tmp_path / "t.csv", tmp_path / "draft.toml")) == 2


def test_a_folder_without_tables(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="found none"):
        draft_mapping(tmp_path)
