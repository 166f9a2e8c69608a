"""A first mapping, guessed from the columns of a clinic's files; a person finishes it.

Names of columns and labels of few-valued text columns are printed; numbers and free text never are.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_level, as_number, as_text
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.headers import holds_any, listed, looks_like_value
from ketapredict.cohort.protocols import BUILT_IN, DEFAULT_PROTOCOL
from ketapredict.cohort.scales import SCALES
from ketapredict.cohort.table_files import is_table_file
from ketapredict.cohort.tables import UNNAMED, Table, read_table
from ketapredict.errors import FileError

TODO = "TODO"
_MOST_LABELS = 20
_LONGEST_LABEL = 30
# Every name that a column is guessed by, in the order in which columns are given away.
_NAMES: dict[str, str] = {
    "patient_id": r"participant|patient|subject|subj|usubjid|^id$|_id$|^pid$|case",
    "visit": r"visit|session|week|timepoint|time_point|wave|^ses$|occasion",
    "days": r"rel_?days|^days?$|days_since|study_?day",
    "sex": r"^sex$|gender|geschlecht|sexe",
    "age_years": r"^age|_age$|alter$",
    "bmi_kg_m2": r"bmi|body_?mass",
    "arm": r"therapy|treatment|^arm$|^trt|allocation|randomi[sz]",
    "diagnosis": r"diagnos|^dx$|^group$|^grp$",
    "site": r"^site|cent(er|re)|clinic|poolinv|investigator",
}
_SCORE = r"madrs|ham_?d|ham_?17|hamat|hdrs|qids|ids_?sr|phq|bdi|total|score|basval"
SCALE_PATTERNS = {
    "MADRS": r"madrs",
    "HAMD-6": r"bech|ham_?d_?6",
    "HAMD-24": r"ham_?d.*24",
    "HAMD-17": r"ham_?d|ham_?17|hdrs",
    "QIDS-SR16": r"qids",
    "IDS-SR30": r"ids_?sr",
    "PHQ-9": r"phq",
    "BDI-II": r"bdi",
}
LEVEL_PATTERNS: dict[str, tuple[tuple[str, str], ...]] = {
    "sex": ((r"^(f|w|female|woman|weiblich|frau)$", "female"), (r"^(m|male|man|männlich|mann)$", "male")),
    "diagnosis": (
        (r"^mdd|major|unipolar|^f3[23]", "MDD"),
        (r"^(bd|bp|bipolar).*(ii|2)$", "BD-II"),
        (r"^(bd|bp|bipolar).*(i|1)$", "BD-I"),
        (r"^(bd|bp)$|bipolar|^f31", "BD"),
    ),
    "arm": (
        (r"placebo|control|saline|sham|^p$|midazolam", "control"),
        (r"ketamine|drug|active|verum|^d$|^k$", "ketamine"),
    ),
}
_BASELINE = r"base|screen|b0$|(^|[_ .-])(pre|bl|0)([_ .-]|$)"


@dataclass(frozen=True)
class _Guess:
    """A table and what its columns seem to be."""

    name: str
    table: Table
    roles: dict[str, str]
    scores: tuple[str, ...]

    @property
    def rows_per_id(self) -> float:
        ids = self.table.frame[self.roles["patient_id"]] if "patient_id" in self.roles else None
        return 1.0 if ids is None or not ids.nunique() else float(ids.notna().sum() / ids.nunique())


def draft_mapping(path: str | Path) -> str:
    """Write a first mapping for a file, or for all table files of a folder.

    Returns
    -------
    str
        TOML that `load_mapping` accepts; what a person must decide is marked TODO.

    Raises
    ------
    FileError
        If there is no table file, or one cannot be read.
    """
    path = Path(path)
    files = sorted(file for file in path.iterdir() if is_table_file(file)) if path.is_dir() else [path]
    if not files:
        raise FileError(f"Expected table files in the folder {path.name}, found none.")
    guesses = [_guess(_slug(file.name), read_table(file)) for file in files]
    for guess in guesses:
        _refuse_data_as_header(guess)
    main = max(guesses, key=lambda guess: (guess.rows_per_id, bool(guess.scores), len(guess.table.frame)))
    others = [guess for guess in guesses if guess is not main]
    joins = [(other, key) for other in others if (key := _shared_key(main, other)) is not None]
    lines = [
        "# A draft, guessed from names and labels: check every line and finish those marked TODO.",
        f'title = "{TODO}"',
    ]
    lines[1:1] = _cdisc_lines(guesses)
    lines += _table_lines(main, others, joins)
    available = _columns(main, [other for other, _ in joins])
    roles = main.roles | {
        role: column for other, _ in joins for role, column in other.roles.items() if role not in main.roles
    }
    declared = declared_columns(BUILT_IN[DEFAULT_PROTOCOL])
    same = [name for name in available if name in declared and _has_levels(available[name], declared[name])]
    if same:
        lines.insert(2, "same_names = true  # these are taken as they are: " + ", ".join(same))
    long = main.rows_per_id > 1.2
    scores = sorted((name for name in main.scores if name not in same), key=lambda name: _scale([name]) == TODO)
    baselines = [name for name in scores if long and _constant_within(main, name)]
    scores = [name for name in scores if name not in baselines]
    lines += ["", "[constants]"]
    if "scale" not in same:
        scale = _scale(scores)
        lines.append(f"scale = {in_quotes(scale)}  # TODO one of {', '.join(SCALES)}")
    if "diagnosis" not in same and "diagnosis" not in roles:
        lines.append(f'diagnosis = "{TODO}"  # TODO one of {", ".join(declared["diagnosis"].levels)}, or a column')
    lines += _column_lines(roles, available, same)
    if baselines:
        lines.append(f"score_baseline = {in_quotes(baselines[0])}  # TODO the same in all rows of a patient")
    lines += _course_lines(roles, available, scores, same, long=long, baseline=bool(baselines))
    used = {*roles.values(), *scores[: 1 if long else None], *baselines[:1], *same, *(key for _, key in joins)}
    unused = [name for name in available if name not in used]
    if unused:
        lines += [
            "",
            "# Columns not used so far: " + listed(unused, list(available)),
            "# Declare one that the cohort table does not know like this:",
            "# [extra.some_name]",
            f"# from = {in_quotes(next((name for name in unused if not looks_like_value(name)), TODO))}",
            '# kind = "yes_no"        # or "number" with minimum, maximum and unit, or "level" with levels',
            '# concept = "symptom_profile"',
            '# known_at = "pre"       # or the time point from which on it is known',
        ]
    return "\n".join(lines) + "\n"


def _cdisc_lines(guesses: list[_Guess]) -> list[str]:
    """Say that there is a mapping for these files already."""
    columns = {column for guess in guesses for column in guess.table.frame.columns}
    for name, marks in (("adam", {"USUBJID", "PARAMCD", "AVAL"}), ("sdtm", {"USUBJID", "QSTESTCD"})):
        if marks <= columns:
            copied = f"`check FOLDER --draft-mapping --mapping {name}` prints it, to be adjusted"
            return [f"# This looks like CDISC: begin with --mapping {name} instead; {copied}."]
    return []


def _guess(name: str, table: Table) -> _Guess:
    frame = table.frame
    roles: dict[str, str] = {}
    for role, pattern in _NAMES.items():
        for column in frame.columns:
            if column not in roles.values() and re.search(pattern, column.lower()):
                roles[role] = column
                break
    scores = tuple(
        column
        for column in frame.columns
        if column not in roles.values() and re.search(_SCORE, column.lower()) and _is_number(frame[column])
    )
    return _Guess(name, table, roles, scores)


def _refuse_data_as_header(guess: _Guess) -> None:
    """Refuse a file without a header: its first row would be printed as names."""
    names = list(guess.table.frame.columns)
    known = guess.roles or guess.scores or holds_any(names, declared_columns(BUILT_IN[DEFAULT_PROTOCOL]))
    if not known and any(looks_like_value(name) or name.startswith(UNNAMED) for name in names):
        raise FileError(
            f"{guess.table.name}: expected a header with the names of the columns; the first row looks like data. "
            "Add the header."
        )


def _is_number(cells: pd.Series) -> bool:
    values, _ = as_number(cells, decimal_comma=True)
    return bool(np.isfinite(values).sum() > 0.5 * cells.notna().sum())


def _labels(cells: pd.Series) -> list[str]:
    """Return the labels of a few-valued text column; none of a column of numbers or free text."""
    texts = as_text(cells).dropna()
    labels = sorted(texts.unique())
    few = len(labels) <= _MOST_LABELS and len(labels) * 2 <= len(texts)
    short = all(len(label) <= _LONGEST_LABEL for label in labels)
    number_like = any(re.fullmatch(r"[+-]?[\d.,:/ -]+", label) for label in labels)
    return labels if few and short and not number_like else []


def _has_levels(cells: pd.Series, column: Column) -> bool:
    """Whether the labels of a column are already those of the cohort table."""
    return column.kind != "level" or not as_level(cells, column.levels)[1].any()


def _constant_within(guess: _Guess, column: str) -> bool:
    frame = guess.table.frame
    values_per_id = frame.groupby(guess.roles["patient_id"])[column].agg("nunique")
    return bool((values_per_id <= 1).all())


def _shared_key(main: _Guess, other: _Guess) -> str | None:
    for column in other.table.frame.columns:
        if column in main.table.frame.columns and other.table.frame[column].dropna().is_unique:
            return str(column)
    return None


def _columns(main: _Guess, others: list[_Guess]) -> dict[str, pd.Series]:
    available = {str(name): main.table.frame[name] for name in main.table.frame.columns}
    for other in others:
        for name in other.table.frame.columns:
            available.setdefault(str(name), other.table.frame[name])
    return available


def _scale(scores: list[str]) -> str:
    for column in scores:
        for scale, pattern in SCALE_PATTERNS.items():
            if re.search(pattern, column.lower()):
                return scale
    return TODO


def _table_lines(main: _Guess, others: list[_Guess], joins: list[tuple[_Guess, str]]) -> list[str]:
    lines = ["", "[tables]  # the first is the main table", f"{main.name} = {in_quotes(main.table.name)}"]
    joined = [other for other, _ in joins]
    for other in others:
        line = f"{other.name} = {in_quotes(other.table.name)}"
        lines.append(line if other in joined else f"# {line}  # TODO no key found to join it by")
    for other, key in joins:
        lines += ["", "[[join]]", f"table = {in_quotes(other.name)}", f"on = {in_quotes(key)}  # TODO the right key?"]
    return lines


def _column_lines(roles: dict[str, str], available: dict[str, pd.Series], same: list[str]) -> list[str]:
    lines = ["", "[columns]"]
    for role in ("patient_id", "site", "age_years", "bmi_kg_m2"):
        if role in roles and role not in same:
            lines.append(f"{role} = {in_quotes(roles[role])}")
    for role in ("sex", "diagnosis"):
        if role in roles and role not in same:
            lines.append(f"{role} = {_recoded(role, roles[role], available)}")
    return lines


def _recoded(role: str, column: str, available: dict[str, pd.Series]) -> str:
    labels = _labels(available[column]) if column in available else []
    if not labels:
        return f"{in_quotes(column)}  # TODO recode: {{ from = {in_quotes(column)}, levels = {{ ... }} }}"
    pairs = []
    for label in labels:
        target = next((to for pattern, to in LEVEL_PATTERNS[role] if re.search(pattern, label.lower())), TODO)
        pairs.append(f"{setting_name(label)} = {in_quotes(target)}")
    todo = '  # TODO check; "" for missing, [[course]] where = ... to leave out' if TODO in str(pairs) else ""
    return f"{{ from = {in_quotes(column)}, levels = {{ {', '.join(pairs)} }} }}{todo}"


def _course_lines(
    roles: dict[str, str],
    available: dict[str, pd.Series],
    scores: list[str],
    same: list[str],
    *,
    long: bool,
    baseline: bool,
) -> list[str]:
    lines = ["", "# One block for each course that a patient can have (a crossover has two).", "[[course]]"]
    if "course_id" not in same:
        template = "{" + roles["patient_id"] + "}" if "patient_id" in roles else TODO
        todo = "" if "patient_id" in roles else "  # TODO the column that names the course"
        lines.append(f"course_id = {in_quotes(template)}{todo}")
    lines.append("""# where = 'group == "..." and age >= 18'  # TODO rows that count; leave out for all""")
    if "arm" in roles and "arm" not in same:
        recoded = _recoded("arm", roles["arm"], available)
        lines.append(f"arm = {recoded}" if recoded.startswith("{") else f"# arm = {recoded}")
    if not long:
        wide = ["[course.columns]  # TODO the score of each time point of the protocol"]
        for column in scores:
            early = re.search(_BASELINE, column.lower())
            target = "score_baseline" if early and "score_baseline" not in str(wide) else ""
            wide.append(f"{target or '# score_<time point>'} = {in_quotes(column)}")
        return [*lines, *wide]
    lines += ["[course.visits]"]
    if "visit" in roles:
        lines.append(f"label = {in_quotes(roles['visit'])}  # TODO the column that names the visit")
    if "days" in roles:
        lines.append(f"days = {in_quotes(roles['days'])}  # TODO days since the first infusion?")
    if "visit" not in roles and "days" not in roles:
        lines.append(f'label = "{TODO}"  # TODO or days = "...", or date = "..." with start = "..."')
    lines.append(f"score = {in_quotes(scores[0] if scores else TODO)}  # TODO the total of the scale")
    if "visit" in roles or "days" not in roles:
        lines.append("[course.visits.points]  # TODO baseline and time points of the protocol = labels")
        labels = _labels(available[roles["visit"]]) if "visit" in roles else []
        first = next((label for label in labels if re.search(_BASELINE, label.lower())), TODO)
        point = "baseline" if not baseline else BUILT_IN[DEFAULT_PROTOCOL].outcome
        lines.append(f"{point} = {in_quotes(TODO if baseline else first)}  # TODO")
        lines += [f"# <time point> = {in_quotes(label)}" for label in labels if label != first]
    return lines


def _slug(name: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "_", name.lower().split(".")[0]).strip("_")
    return stem or "table"


def in_quotes(text: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)


def setting_name(text: str) -> str:
    """Return a name as TOML writes it in front of `=`, in quotes where it must be."""
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else in_quotes(text)
