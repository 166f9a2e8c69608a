"""A page as plain data, and its two forms: one self-contained HTML file, and Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

STYLE = (resources.files("ketapredict") / "data" / "reporting" / "card.css").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `code` in backticks."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list; `warning` draws a box around it."""

    texts: Sequence[str]
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; cells that start with a digit or sign are set to the right.

    Folded: behind a click, small on paper. Not printed: on paper only its caption.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    printed: bool = True


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture: SVG, a name for its file, and a caption that says what it shows."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Folded:
    """Long text behind a click; in Markdown only a note where it is found."""

    summary: str
    text: str
    file: str


Block = Text | Points | Heading | Table | Figure | Folded


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page, with an address of its own."""

    name: str
    title: str
    blocks: Sequence[Block]


def to_html(statement: str, title: str, sections: Sequence[Section]) -> str:
    """Return one HTML file that needs nothing from outside; its first line of text is the statement."""
    contents = "".join(f'<li><a href="#{s.name}">{_inline(s.title)}</a></li>' for s in sections)
    body = "\n".join(
        f'<section id="{s.name}"><h2>{_inline(s.title)}</h2>\n' + "\n".join(map(_html, s.blocks)) + "\n</section>"
        for s in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(statement)} {escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body>\n"
        f'<p class="statement" role="note">{escape(statement)}</p>\n<h1>{escape(title)}</h1>\n'
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>\n<main>\n{body}\n</main>\n</body></html>\n'
    )


def to_markdown(statement: str, title: str, sections: Sequence[Section]) -> str:
    """Return the page as Markdown; its first line is the statement, pictures are files beside it."""
    parts = [f"**{statement}**", f"# {title}"]
    for section in sections:
        parts += [f'<a id="{section.name}"></a>\n\n## {section.title}', *map(_markdown, section.blocks)]
    return "\n\n".join(parts) + "\n"


def _html(block: Block) -> str:
    match block:
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Heading(text):
            return f"<h3>{_inline(text)}</h3>"
        case Points(texts, warning):
            items = "".join(f"<li>{_inline(text)}</li>" for text in texts)
            return f'<div class="warning" role="alert"><ul>{items}</ul></div>' if warning else f"<ul>{items}</ul>"
        case Figure(name, svg, caption):
            return f'<figure id="figure-{name}">{svg}<figcaption>{_inline(caption)}</figcaption></figure>'
        case Folded(summary, text, _):
            return f"<details><summary>{_inline(summary)}</summary><pre>{escape(text)}</pre></details>"
        case Table(caption, header, rows, folded, printed):
            head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in header)
            lines = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
            table = f"<thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table>"
            if folded:
                summary = f"<details{'' if printed else ' class="screen"'}><summary>{_inline(caption)}</summary>"
                return f'{summary}<div class="scroll"><table>{table}</div></details>'
            return f'<div class="scroll"><table><caption>{_inline(caption)}</caption>{table}</div>'


def _cell(text: str) -> str:
    numeric = re.fullmatch(r"[-+−]?\d[-+−\d.,%()/ to]*", text)
    if not numeric:
        return f"<td>{_inline(text)}</td>"
    # A line may end before an interval, never in it.
    kept = re.sub(r"\(([^)]*)\)", lambda found: found.group().replace(" ", "\N{NO-BREAK SPACE}"), text)
    return f'<td class="n">{_inline(kept)}</td>'


def _inline(text: str) -> str:
    """Escape a text; turn backticks and links to places of the page into HTML."""
    linked = re.sub(r"\[([^\]]+)\]\((#[\w-]+)\)", r'<a href="\2">\1</a>', escape(text, quote=False))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", linked)


def _markdown(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Heading(text):
            return f"### {text}"
        case Points(texts, warning):
            return "\n".join(f"- {'**' + text + '**' if warning else text}" for text in texts)
        case Figure(name, _, caption):
            return f"![{caption}]({name}.svg)\n\n{caption}"
        case Folded(summary, _, file):
            return f"{summary}: `{file}`"
        case Table(caption, header, rows, _):
            lines = [f"| {' | '.join(_bars(cell) or ' ' for cell in row)} |" for row in rows]
            return "\n".join([f"{caption}\n", f"| {' | '.join(header)} |", "|" + "---|" * len(header), *lines])


def _bars(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
