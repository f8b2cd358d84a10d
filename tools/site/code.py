"""Code as HTML: highlighted lines, and two versions of a file side by side."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

#: The unchanged lines above and below each change.
CONTEXT = 3
#: Languages of files whose names Pygments doesn't know.
LANGUAGES = {".env.example": "properties", "script.py.mako": "mako"}


@cache
def highlighted(name: str, text: str) -> list[str]:
    """Return the HTML of each line of a file.

    Args:
        name: the file's name, which selects the language.
        text: the file's text.
    """
    html: str = highlight(text, _find_lexer(name), HtmlFormatter(nowrap=True))
    # Pygments ends each text with a line break, also an empty one.
    return html.splitlines() if text else []


def _find_lexer(name: str) -> Lexer:
    # By default, a lexer drops empty lines at both ends, and the numbers of lines would be wrong.
    try:
        if name in LANGUAGES:
            return get_lexer_by_name(LANGUAGES[name], stripnl=False)
        return get_lexer_for_filename(name, stripnl=False)
    except ClassNotFound:
        return get_lexer_by_name("text", stripnl=False)


def listing(name: str, text: str) -> str:
    """Return the lines of a file. Each has a number, which is a link to itself."""
    rows = [
        f'<span id="L{number}"><a href="#L{number}" tabindex="-1">{number}</a>{line}\n</span>'
        for number, line in enumerate(highlighted(name, text), 1)
    ]
    region = 'class="highlight listing" role="region" aria-label="Code" tabindex="0"'
    return f"<div {region}><pre>{''.join(rows)}</pre></div>"


def difference(name: str, old: str, new: str) -> str:
    """Return the changes between two texts of a file.

    The lines of each change are in reading order, the old ones first. On a wide screen, the style
    sheet shows the new ones at the right of the old ones.
    """
    matcher = SequenceMatcher(a=old.splitlines(), b=new.splitlines(), autojunk=False)
    left, right = highlighted(name, old), highlighted(name, new)
    parts: list[str] = []
    for group in matcher.get_grouped_opcodes(CONTEXT):
        parts.append('<div class="hunk">')
        for tag, start, end, new_start, new_end in group:
            kinds = ("same", "copy") if tag == "equal" else ("old", "new")
            parts.append("<div>")
            parts += _rows(kinds[0], left, start, end)
            parts += _rows(kinds[1], right, new_start, new_end)
            parts.append("</div>")
        parts.append("</div>")
    # An added or a removed file has no other side.
    kind = "difference" if old and new else "difference one-sided"
    return f'<div class="highlight {kind}">{"".join(parts)}</div>'


def _rows(kind: str, lines: list[str], start: int, end: int) -> Iterator[str]:
    sign = {"old": "-", "new": "+"}.get(kind, " ")
    # The copy at the right side is only for the eye.
    hidden = ' aria-hidden="true"' if kind == "copy" else ""
    for number in range(start, end):
        code = f"<i>{number + 1}{sign}</i><code>{lines[number]}</code>"
        yield f'<div class="{kind}"{hidden}>{code}</div>'


def count_changes(old: str, new: str) -> tuple[int, int]:
    """Return how many lines were added and removed."""
    matcher = SequenceMatcher(a=old.splitlines(), b=new.splitlines(), autojunk=False)
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return sum(code[4] - code[3] for code in changes), sum(code[2] - code[1] for code in changes)
