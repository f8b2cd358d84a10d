"""Record a shell in a real terminal, and draw an SVG that plays the recording.

Only the time is edited: each wait is cut to a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path

import pexpect
import pyte

COLUMNS = 100
ROWS = 26
#: More lines than a recording has. So the emulator never scrolls and each line keeps its number;
#: the picture scrolls instead.
LINES = 1000

#: Seconds between two keys, and the longest wait that is kept.
KEY = 0.03
WAIT = 1.0
#: Seconds until the next frame.
FRAME = 0.06
#: Seconds that the last frame stays before the recording starts again.
END = 6.0
#: Seconds until a command must have ended.
TIMEOUT = 300

#: The prompt as bash reads it, and as it prints it.
PS1 = r"\[\e[1;32m\]$\[\e[0m\] "
PROMPT = "\x1b[1;32m$\x1b[0m "

#: The size of a character, and the space around the text.
WIDTH, HEIGHT, MARGIN, TITLE = 8, 18, 16, 30
BACKGROUND = "#101822"
#: The emulator's names of colors; it calls yellow brown.
COLORS = {
    "default": "#d6deeb",
    "black": "#7c8c99",
    "red": "#ff6b81",
    "green": "#7fdb8a",
    "brown": "#f2c66d",
    "blue": "#7db8ff",
    "magenta": "#d4a6ff",
    "cyan": "#6fd6d6",
    "white": "#ffffff",
}

FONT = """\
text{white-space:pre;\
font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
.b{font-weight:bold}"""
#: Show the last screen if the system asks for reduced motion.
STILL = "@media(prefers-reduced-motion:reduce){*{animation:none!important}}"

#: A line of the screen: texts, each with its color and whether it is bold.
Line = tuple[tuple[str, str, bool], ...]


@dataclass
class Recording:
    """The output of a terminal, in parts, each with its time."""

    parts: list[tuple[float, str]] = field(default_factory=list)

    def write(self, text: str) -> None:
        self.parts.append((time.monotonic(), text))

    def flush(self) -> None:
        """Do nothing: pexpect calls this after each part."""

    def frames(self) -> Iterator[tuple[float, list[Line]]]:
        """Yield all lines so far, from time to time, with the seconds since the start."""
        screen = pyte.Screen(COLUMNS, LINES)
        stream = pyte.Stream(screen)
        now, shown, before = 0.0, -FRAME, self.parts[0][0]
        for at, text in self.parts:
            waited = min(at - before, WAIT)
            if now + waited - shown >= FRAME:
                yield now, read_lines(screen)
                shown = now + waited
            now += waited
            before = at
            stream.feed(text)
        yield now, read_lines(screen)

    def text(self) -> str:
        """Return all lines at the end, as text."""
        *_, (_, lines) = self.frames()
        return "\n".join("".join(text for text, _, _ in line).rstrip() for line in lines)


def read_lines(screen: pyte.Screen) -> list[Line]:
    """Read the lines of the screen, down to the cursor."""
    lines = []
    for row in range(screen.cursor.y + 1):
        chars = [screen.buffer[row][column] for column in range(COLUMNS)]
        runs = groupby(chars, key=lambda char: (char.fg, char.bold))
        lines.append(tuple(("".join(char.data for char in run), *style) for style, run in runs))
    return lines


class Shell:
    """A shell in a pseudo-terminal, with methods that type commands.

    Args:
        folder: the folder in which it starts.
        environment: all its variables.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.recording = Recording()
        self.child = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile"],
            cwd=folder,
            env=environment | {"PS1": PS1, "TERM": "xterm-256color"},
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=TIMEOUT,
        )
        self.child.delaybeforesend = None
        self.child.logfile_read = self.recording
        self.child.expect_exact(PROMPT)

    def type(self, text: str) -> None:
        """Type a line."""
        for key in text:
            self.child.send(key)
            self.read(KEY)
        self.child.send("\r")

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and answer it."""
        self.child.expect_exact(question)
        self.read(WAIT / 2)
        self.type(text)

    def wait(self, until: str = PROMPT) -> None:
        """Wait for a text, and give the reader time to see it."""
        self.child.expect_exact(until)
        self.read(WAIT)

    def run(self, command: str, until: str = PROMPT) -> None:
        """Type a command, and wait for its end, or for a text that it prints."""
        self.type(command)
        self.wait(until)

    def read(self, seconds: float) -> None:
        """Record the output of that time."""
        self.child.expect_exact([pexpect.TIMEOUT], timeout=seconds)


@dataclass(frozen=True)
class Shown:
    """A line that is shown for some time.

    Attributes:
        row: its number, from the top of all lines.
        since, until: seconds since the start.
    """

    row: int
    line: Line
    since: float
    until: float


def find_lines(frames: list[tuple[float, list[Line]]], duration: float) -> list[Shown]:
    """Find all lines that are ever shown; a line that changes counts as another."""
    shown = []
    current: dict[int, tuple[Line, float]] = {}
    for now, lines in [*frames, (duration, [])]:
        for row in range(max(len(lines), len(current))):
            line = lines[row] if row < len(lines) else ()
            before, since = current.get(row, ((), 0.0))
            if line != before:
                current[row] = (line, now)
                if is_visible(before):
                    shown.append(Shown(row, before, since, now))
    return shown


def draw(recording: Recording, title: str) -> str:
    """Draw an SVG that plays a recording; without animations, it shows the end."""
    frames = list(recording.frames())
    duration = frames[-1][0] + END
    lines = find_lines(frames, duration)
    spans = sorted({(line.since, line.until) for line in lines})
    classes = {span: f"k{number}" for number, span in enumerate(spans)}
    style = [f".{name}{{fill:{color}}}" for name, color in COLORS.items()]
    style += [make_rules(name, *span, duration) for span, name in classes.items()]
    style.append(make_scrolling([(now, len(lines)) for now, lines in frames], duration))
    texts = [
        f'<text class="{classes[line.since, line.until]}" y="{line.row * HEIGHT + 13}">'
        + draw_line(line.line)
        + "</text>"
        for line in lines
    ]
    inner = f'width="{COLUMNS * WIDTH}" height="{ROWS * HEIGHT}"'
    width, height = COLUMNS * WIDTH + 2 * MARGIN, ROWS * HEIGHT + MARGIN + TITLE
    size = f'width="{width}" height="{height}"'
    buttons = [
        f'<circle cx="{20 + 18 * number}" cy="16" r="5" class="{color}"/>'
        for number, color in enumerate(("red", "brown", "green"))
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
        f"<title>{escape(title)}</title>",
        f"<style>{FONT}{''.join(style)}{STILL}</style>",
        f'<rect {size} rx="8" fill="{BACKGROUND}"/>',
        *buttons,
        f'<svg x="{MARGIN}" y="{TITLE}" {inner}><g id="all">',
        *texts,
        "</g></svg></svg>",
    ]
    return "\n".join(parts) + "\n"


def make_scrolling(counts: list[tuple[float, int]], duration: float) -> str:
    """Write the CSS that keeps the last lines in sight, given the number of lines over time."""
    steps = {max(0, count - ROWS): now for now, count in reversed(counts)}
    moves = {row: f"transform:translateY({-row * HEIGHT}px)" for row in steps}
    frames = "".join(f"{steps[row] / duration:.3%}{{{moves[row]}}}" for row in sorted(steps))
    animation = f"animation:all {duration:.2f}s step-end infinite"
    return f"#all{{{moves[max(moves)]};{animation}}}@keyframes all{{{frames}}}"


def is_visible(line: Line) -> bool:
    """Tell whether a line has more than spaces."""
    return any(text.strip() for text, _, _ in line)


def make_rules(name: str, since: float, until: float, duration: float) -> str:
    """Write the CSS of lines that are shown from a time until another."""
    is_last = until >= duration
    hidden = "" if is_last else "visibility:hidden;"
    end = "" if is_last else f"{until / duration:.3%}{{visibility:hidden}}"
    start = f"0%{{visibility:hidden}}{since / duration:.3%}" if since else "0%"
    return (
        f".{name}{{{hidden}animation:{name} {duration:.2f}s step-end infinite}}"
        f"@keyframes {name}{{{start}{{visibility:visible}}{end}}}"
    )


def draw_line(line: Line) -> str:
    """Write the texts of a line at their columns, as wide as on a terminal."""
    drawn = []
    column = 0
    for text, color, is_bold in line:
        shown = text.rstrip()
        start = column + len(shown) - len(shown.lstrip())
        shown = shown.strip()
        column += len(text)
        if shown:
            style = f"{color if color in COLORS else 'default'}{' b' if is_bold else ''}"
            drawn.append(
                f'<tspan x="{start * WIDTH}" textLength="{len(shown) * WIDTH}" class="{style}">'
                f"{escape(shown, quote=False)}</tspan>"
            )
    return "".join(drawn)
