"""From a drawing to one SVG that can be inlined beside others: small, accessible, the same bytes each time."""

import hashlib
import io
import re
import textwrap
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np

from ketapredict.explain.words import moment_words

WIDTH = 680
FONT_SIZE = 9.5
CHARACTERS_PER_LINE = 88
CHARACTERS_PER_NOTE = 112
# SVG's unit is the point, of which a page shows three quarters of a pixel.
PIXELS_PER_POINT = 4 / 3
# Laid out for the first, which matplotlib brings; the others are no wider.
FAMILY = "'DejaVu Sans', Verdana, Arial, sans-serif"
_POINTS_PER_INCH = 72
_LINE = 14.5
_REFERENCE = r'(?:href="|url\()#([^")]+)'
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ketapredict",
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.titleweight": "bold",
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.unicode_minus": True,
    # Dots are lines of no length, which simplification would take away.
    "path.simplify": False,
}


def first_sentence(statement: str) -> str:
    """Return what a model was trained on: the first sentence of its statement."""
    return statement.split(".")[0].strip() + "."


def figure_svg(
    name: str,
    statement: str,
    landmark: str,
    title: str,
    draw: Callable[[Any], None],
    *,
    height: int,
    notes: Sequence[str] = (),
    summary: str = "",
) -> str:
    """Draw a figure under its statement and title and return it as SVG.

    Parameters
    ----------
    name : str
        What the figure is, one word or two with a hyphen: begins every id in it.
    statement : str
        What the model was trained on; its first sentence is the first line.
    landmark : str
        As in the protocol; the title says it in words.
    title : str
    draw : callable
        Takes a matplotlib figure and draws its axes; layout, title and notes are made here.
    height : int
        Pixels, without title and notes.
    notes : sequence of str
        Lines under the figure.
    summary : str
        The numbers that are drawn, in words, for readers who hear the page.

    Returns
    -------
    str
        One `<svg>` element 680 pixels wide, without XML declaration, style sheet or metadata; text is text.
        Ids begin with the name, the landmark and a digest of the content.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heading = f"Landmark {moment_words(landmark)}: {title}"
    head = [first_sentence(statement), *textwrap.wrap(heading, CHARACTERS_PER_LINE)]
    foot = [line for note in notes for line in textwrap.wrap(note, CHARACTERS_PER_NOTE)]
    above, below = _LINE * len(head) + 6, _LINE * len(foot) + (4 if foot else 0)
    points = height / PIXELS_PER_POINT + above + below
    size = (WIDTH / PIXELS_PER_POINT / _POINTS_PER_INCH, points / _POINTS_PER_INCH)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        figure.set_layout_engine("constrained", rect=(0.0, below / points, 1.0, 1.0 - (above + below) / points))
        for place, line in enumerate(head):
            colour = "#8a1c00" if place == 0 else "black"
            figure.text(0.012, 1 - (_LINE * (place + 0.9)) / points, line, fontsize=10, fontweight="bold", color=colour)
        for place, line in enumerate(foot):
            figure.text(0.012, _LINE * (len(foot) - place - 0.65) / points, line, fontsize=8.5, color="#333333")
        draw(figure)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _inlined(written.getvalue(), f"{name}-{landmark}", f"{head[0]} {heading}", summary)


def _inlined(text: str, prefix: str, title: str, summary: str) -> str:
    """Return the bare element: nothing that reaches beyond it into the page, no id without use."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    # A style sheet in an inlined picture would hold for the whole page.
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*</defs>", "", body)
    body = re.sub(r'(?<= )(d|x|y|transform|points)="([^"]*)"', _shortened, body)
    # Every text is of the one family, which it has from the whole picture, and most are not turned.
    body = re.sub(r'font-family: [^;"]*;? ?', "", body)
    body = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", body)
    # Matplotlib names a clip path after its place in memory: numbers instead, in the order of use.
    used = list(dict.fromkeys(re.findall(_REFERENCE, body)))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{used.index(m[1])}"' if m[1] in used else "", body)
    body = re.sub(_REFERENCE, lambda m: f"{m[0][: -len(m[1])]}{used.index(m[1])}", body)
    own = re.sub(r"[^0-9A-Za-z]+", "-", f"{prefix}-{hashlib.sha256(body.encode()).hexdigest()[:8]}-")
    body = re.sub(r' id="(\d+)"', rf' id="{own}\1"', body)
    body = re.sub(_REFERENCE, lambda m: f"{m[0][: -len(m[1])]}{own}{m[1]}", body)
    body = re.sub(r"<g>\s*</g>\n?", "", body)
    box = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', body)
    assert box
    height = round(float(box[2]) * PIXELS_PER_POINT)
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} width="{WIDTH}" '
        f'height="{height}" style="max-width: 100%; height: auto; font-family: {FAMILY}" stroke-linejoin="round" '
        f'role="img" aria-label="{escape(title)}" aria-describedby="{own}summary">\n'
        f'<title>{escape(title)}</title>\n<desc id="{own}summary">{escape(summary)}</desc>\n'
    )
    body = opening + body[body.index(">") + 1 :].lstrip()
    return "\n".join(line.strip() for line in body.splitlines() if line.strip()) + "\n"


def _shortened(found: re.Match[str]) -> str:
    """Round to hundredths of a point, to tenths in long paths, and write dots in the fewest letters."""
    places = 1 if len(found[2]) > 2000 else 2
    text = re.sub(r"-?\d+\.\d+", lambda m: f"{float(m[0]):.{places}f}".rstrip("0").rstrip("."), found[2])
    text = re.sub(r"\s+", " ", text).strip()
    if found[1] == "d":
        text = re.sub(r" ?([MLCQzZ]) ?", r"\1", text)
        # A dot is a line from a point to itself: all after the first by how far they are from the one before.
        if re.fullmatch(r"(M(\S+ [^ML]+)L\2)+", text):
            places_of = np.array([pair.split() for pair in re.findall(r"M(\S+ [^ML]+)L", text)], float)
            moves = [f"m{dx:g} {dy:g}h0" for dx, dy in np.round(np.diff(places_of, axis=0), 2)]
            text = f"M{places_of[0, 0]:g} {places_of[0, 1]:g}h0" + "".join(moves)
    return f'{found[1]}="{text}"'
