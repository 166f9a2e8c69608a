"""Protocols that no built-in one resembles."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort.protocols import BUILT_IN, Protocol, load_protocol
from ketapredict.simulate import Scenario
from ketapredict.simulate.columns import to_frame
from ketapredict.simulate.courses import simulate_chunks

NIMH = """
name = "nimh"
landmarks = ["pre", "d2"]
outcome = "d10"
[[time_point]]
name = "d2"
hours = 60
window_hours = [36, 84]
[[time_point]]
name = "d10"
hours = 246
window_hours = [216, 288]
"""
WEEKS_HEAD = """
name = "weeks"
active_treatment = "drug"
landmarks = ["pre", "w1", "w2"]
outcome = "w6"
"""
WEEKS = WEEKS_HEAD + "".join(
    f'[[time_point]]\nname = "w{week}"\nhours = {168 * week}\nwindow_hours = [{168 * week - 72}, {168 * week + 72}]\n'
    for week in (1, 2, 4, 6)
)
# Twice a week for four weeks, of which infusions 3 and 8 are named; rated again after the outcome.
TWICE_HEAD = """
name = "twice"
landmarks = ["pre", "inf3"]
outcome = "inf8"
"""
TWICE = TWICE_HEAD + "".join(
    f'[[time_point]]\nname = "{name}"\nhours = {hours}\nwindow_hours = [{hours - 10}, {hours + 10}]\n'
    for name, hours in (("inf3", 192), ("inf8", 612), ("later", 1000))
)


@pytest.fixture(scope="session")
def protocols(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Protocol]:
    folder = tmp_path_factory.mktemp("protocols")
    read = dict(BUILT_IN)
    for name, text in (("nimh", NIMH), ("weeks", WEEKS), ("twice", TWICE)):
        (folder / f"{name}.toml").write_text(text)
        read[name] = load_protocol(folder / f"{name}.toml")
    return read


@pytest.fixture(scope="session")
def drawn() -> Callable[[Scenario, int, int], tuple[pd.DataFrame, pd.DataFrame]]:
    """Table and what is hidden, with `response` had it been rated; without the probabilities, which take longer."""

    def draw(scenario: Scenario, n_courses: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        chunks = list(simulate_chunks(scenario, n_courses, seed))
        table = pd.concat([to_frame(chunk.table) for chunk in chunks], ignore_index=True)
        hidden = pd.concat([to_frame(chunk.hidden) for chunk in chunks], ignore_index=True)
        end = hidden[f"complete_score_{scenario.protocol.outcome}"]
        hidden["response"] = np.where(end <= table["score_baseline"] / 2, 1.0, 0.0)
        return table, hidden

    return draw
