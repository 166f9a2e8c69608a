"""The model card: one page per model, as HTML and as Markdown, from the same facts."""

from collections.abc import Callable
from dataclasses import dataclass

from ketapredict.report.card.data import data
from ketapredict.report.card.elsewhere import elsewhere
from ketapredict.report.card.evidence import evidence
from ketapredict.report.card.explanations import explanations
from ketapredict.report.card.facts import CardFacts
from ketapredict.report.card.page import Figure, Section, to_html, to_markdown
from ketapredict.report.card.performance import calibration, performance, sites, subgroups, usefulness
from ketapredict.report.card.purpose import purpose, summary
from ketapredict.report.card.reporting import audit, tripod
from ketapredict.report.card.specified import specification
from ketapredict.report.card.stability import stability
from ketapredict.report.card.updates import updates


@dataclass(frozen=True, slots=True)
class Card:
    """A model card.

    Attributes
    ----------
    html : str
        Self-contained: nothing is loaded from outside.
    markdown : str
        Shows its pictures as files beside it.
    figures : dict of str to str
        SVG by name.
    """

    html: str
    markdown: str
    figures: dict[str, str]


def model_card(facts: CardFacts) -> Card:
    """Write the card of a model; its first line says what it was trained on.

    Parameters
    ----------
    facts : CardFacts
    """
    parts: tuple[Callable[[CardFacts], Section], ...] = (
        summary, purpose, evidence, data, performance, calibration, usefulness, subgroups, sites, stability,
        explanations, audit, specification,
    )  # fmt: skip
    if not facts.studies:  # no course has fitted it: there is nothing to validate
        met = any(model.updated for model in facts.model.bundle.landmarks)
        parts = (summary, purpose, evidence, *((data,) if met else ()), explanations, specification)
    sections = [part(facts) for part in parts]
    if facts.tried_on:
        sections.insert(3, elsewhere(facts))
    if facts.updates:
        sections.insert(2, updates(facts))
    if facts.studies:  # the long tables come last: on paper they are an appendix
        sections.insert(-1, tripod(facts, sections))
    title = f"Model card: {facts.model.bundle.name}, version {facts.model.version}"
    figures = {block.name: block.svg for section in sections for block in section.blocks if isinstance(block, Figure)}
    return Card(to_html(facts.statement, title, sections), to_markdown(facts.statement, title, sections), figures)
