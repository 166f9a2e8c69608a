"""What no card, table or picture tells of small groups: a count over a few is nearly a patient's own value."""

import numpy as np
import pandas as pd

# Of fewer courses no figure is told.
FEWEST_SHOWN = 5
TOO_FEW = "too few to say"
UNDER = f"under {FEWEST_SHOWN}"


def without_small_subgroups(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the figures of subgroups with fewer than five courses of either class.

    Where one level of a variable is left out, the events of the next smallest are too: all levels add up to the
    known total.

    Parameters
    ----------
    table : pandas.DataFrame
        From `subgroups.subgroup_table`.

    Returns
    -------
    pandas.DataFrame
        The same rows; NaN where a number is not told, `courses` under five included.
    """
    rarer = np.minimum(table["events"], table["courses"] - table["events"])
    hidden = rarer < FEWEST_SHOWN
    shown = table.assign(courses=table["courses"].astype(float), events=table["events"].astype(float))
    for _, rows in shown[~hidden].groupby("variable"):
        levels = rows.drop_duplicates("level")
        left_out = table[hidden & (table["variable"] == levels["variable"].iloc[0])]
        if len(left_out.drop_duplicates("level")) == 1:
            next_smallest = levels["level"].iloc[int(np.argmin(levels["events"]))]
            beside = rows.index[rows["level"] == next_smallest]
            shown.loc[beside, "events"] = np.nan
            shown.loc[beside, "warning"] = shown.loc[beside, "warning"].where(
                shown.loc[beside, "warning"] == "", TOO_FEW
            )
    shown.loc[table["courses"] < FEWEST_SHOWN, "courses"] = np.nan
    shown.loc[hidden, ["events", "estimate", "low", "high"]] = np.nan
    shown.loc[hidden, "warning"] = f"{TOO_FEW}: under {FEWEST_SHOWN} with the outcome or without"
    return shown


def without_small_characteristics(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out characteristics known of fewer than five courses on either side, of `missing_outcomes`."""
    known = table[["completers_known", "others_known"]].min(axis=1)
    return table[known >= FEWEST_SHOWN].reset_index(drop=True)


def without_small_sites(table: pd.DataFrame, events: int) -> pd.DataFrame:
    """Leave out the figures of sites with fewer than five courses of either class.

    Where one site is left out, the events of the site with the fewest after it are too, as in
    `without_small_subgroups`, unless courses outside the table hide them anyway.

    Parameters
    ----------
    table : pandas.DataFrame
        `site, courses, events, estimate, low, high, se` and more.
    events : int
        Of all courses that were analysed.

    Returns
    -------
    pandas.DataFrame
        The same rows, with a column `told`: empty, or why there is no figure; NaN where a number is not told.
    """
    rarer = np.minimum(table["events"], table["courses"] - table["events"])
    hidden = rarer < FEWEST_SHOWN
    told = pd.Series(np.where(table["estimate"].isna(), "cannot be estimated", ""), table.index, dtype=object)
    shown = table.assign(events=table["events"].astype(float), told=told)
    sites = table[~hidden].drop_duplicates("site")
    outside = events - int(table.drop_duplicates("site")["events"].sum())
    if len(set(table[hidden]["site"])) == 1 and len(sites) and not outside:
        next_smallest = sites["site"].iloc[int(np.argmin(sites["events"]))]
        shown.loc[shown["site"] == next_smallest, "events"] = np.nan
    shown.loc[hidden, ["events", "estimate", "low", "high", "se"]] = np.nan
    shown.loc[hidden, "told"] = f"not told: {UNDER} with the outcome or without"
    return shown
