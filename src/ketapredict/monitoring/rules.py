"""The rules, their sources and the questions that no column of the cohort table answers."""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ketapredict.cohort.columns import Column
from ketapredict.cohort.protocols import Protocol
from ketapredict.monitoring.conditions import ALWAYS, Condition, condition_from_plain

# From what comes first.
URGENCIES = ("today", "before infusing", "each infusion", "each visit", "for the decision")
CERTAINTIES = ("strong", "moderate", "weak", "label", "consensus", "clinical rule", "unconfirmed")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule comes from: a citation in words and, where there is one, its DOI."""

    citation: str
    doi: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One monitoring rule.

    Attributes
    ----------
    id, title : str
    urgency : str
        One of `URGENCIES`: when to act on it.
    words : str
    condition : Condition
    requires : tuple of str
        Time points of which the protocol must have one for the rule to apply; empty for any protocol.
    otherwise : str
        Why the rule does not apply to other protocols.
    certainty : str
        One of `CERTAINTIES`.
    sources : tuple of Source
    """

    id: str
    title: str
    urgency: str
    words: str
    condition: Condition
    requires: tuple[str, ...]
    otherwise: str
    certainty: str
    sources: tuple[Source, ...]


@lru_cache
def monitoring_rules() -> tuple[Rule, ...]:
    """Return the rules, the most urgent first.

    Raises
    ------
    ValueError, KeyError
        If the package's own file of rules is broken.
    """
    content = _content()
    sources = {name: Source(**plain) for name, plain in content["source"].items()}
    rules = [_rule(plain, sources) for plain in content["rule"]]
    if len({rule.id for rule in rules}) != len(rules):
        raise ValueError("rules with the same id")
    return tuple(sorted(rules, key=lambda rule: URGENCIES.index(rule.urgency)))


@lru_cache
def monitoring_questions() -> tuple[Column, ...]:
    """Return declarations of what the rules ask beyond the cohort table: in no model, and yes/no where not declared."""
    return tuple(Column(**{"kind": "yes_no"} | plain) for plain in _content()["question"])


def open_questions(protocol: Protocol, extras: tuple[Column, ...]) -> tuple[Column, ...]:
    """Return the questions that no extra covariate answers; none where no rule applies."""
    answered = {column.name for column in extras}
    return tuple(q for q in monitoring_questions() if protocol.gives_ketamine and q.name not in answered)


def _content() -> dict[str, Any]:
    path = files("ketapredict") / "data" / "monitoring" / "rules.toml"
    return tomllib.loads(path.read_text("utf-8"))


def _rule(plain: dict[str, Any], sources: dict[str, Source]) -> Rule:
    if plain["urgency"] not in URGENCIES or plain["certainty"] not in CERTAINTIES:
        raise ValueError(f"rule {plain['id']}: unknown urgency or certainty")
    return Rule(
        id=plain["id"],
        title=plain["title"],
        urgency=plain["urgency"],
        words=plain["words"],
        condition=condition_from_plain(plain["condition"]) if "condition" in plain else ALWAYS,
        requires=tuple(plain.get("requires", ())),
        otherwise=plain["otherwise"] if "requires" in plain else "",
        certainty=plain["certainty"],
        sources=tuple(sources[name] for name in plain["sources"]),
    )
