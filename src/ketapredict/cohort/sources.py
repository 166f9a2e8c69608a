"""The leakage guard of mappings: no column is made from what is measured after it counts as known."""

from collections.abc import Mapping

from ketapredict.cohort.columns import Column, is_reserved
from ketapredict.cohort.derivations import Derivation
from ketapredict.cohort.protocols import BASELINE, PRE, Protocol
from ketapredict.errors import LeakageError


def refuse_later_sources(
    place: str,
    recipes: Mapping[str, Derivation],
    visit_scores: tuple[str, ...],
    declared: Mapping[str, Column],
    protocol: Protocol,
) -> None:
    """Refuse recipes of one kind of course that read a source column of a later moment.

    The scores say when a source column is measured: at the earliest moment whose score it is (alone, or as an item);
    if it is only one of several in arithmetic, at the latest such score. What feeds a contract column that is known
    after the infusion counts alike. In a table with one row a visit, a score is of the moment of the recipe's visit;
    without one it may be of any, so of the last.

    Parameters
    ----------
    place : str
        For messages.
    recipes : mapping of str to Derivation
    visit_scores : tuple of str
        Source columns of the score of a table with one row a visit; empty for one row a course.
    declared : mapping of str to Column
    protocol : Protocol

    Raises
    ------
    LeakageError
        Names the columns and the moments.
    """
    moments = {PRE, *protocol.names}
    measured: dict[str, str] = {}
    computed: dict[str, str] = {}
    by_visit = dict.fromkeys(visit_scores, "the visits' score")

    def position(column: str) -> int:
        return protocol.position(declared[column].known_at)

    for name, recipe in recipes.items():
        if not _tells_the_moment(declared[name]) or declared[name].known_at not in moments:
            continue
        several = recipe.expression is not None and len(recipe.columns) > 1
        for source in recipe.columns:
            if recipe.visit:
                by_visit.setdefault(source, name)
            elif several:
                computed[source] = max(computed.get(source, name), name, key=position)
            elif source in measured and position(measured[source]) != position(name):
                raise LeakageError(
                    f"{place}: {measured[source]} and {name} are both taken from the column {source}. "
                    "Expected a column of its own for each moment."
                )
            else:
                measured[source] = name
    for name, recipe in recipes.items():
        column = declared[name]
        if not column.concept or column.known_at not in moments:
            continue
        for source in recipe.columns:
            feeds = measured.get(source) or (computed.get(source) if column.kind != "score" else None)
            if feeds is not None and position(feeds) > position(name):
                raise LeakageError(
                    f"{place}: {name} counts as known at {column.known_at} but is made from the column {source}, "
                    f"which is {feeds}, known at {declared[feeds].known_at}; a model would use what is not known yet. "
                    "Take another column, or declare truthfully when it is known."
                )
            visit = PRE if recipe.visit == BASELINE else recipe.visit or protocol.names[-1]
            if source in by_visit and protocol.position(visit) > position(name):
                taken = f"at the visit {visit}" if recipe.visit else "without a visit, so perhaps at the last"
                raise LeakageError(
                    f"{place}: {name} counts as known at {column.known_at} but is made from the column {source} "
                    f"({by_visit[source]}), taken {taken}; a model would use what is not known yet. "
                    f'Name the visit, {{ from = "{source}", visit = "{BASELINE}" }}, or take another column.'
                )


def _tells_the_moment(column: Column) -> bool:
    return column.kind == "score" or (is_reserved(column.name) and column.known_at != PRE)
