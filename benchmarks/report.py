"""Write RESULTS.md. Each benchmark replaces its own section."""

import os
import platform
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
#: The sections, in order.
HEADINGS = ("Serving", "The template's own speed", "The test suite")
TITLE = """# Results

`make bench` measures these numbers and writes this page.
"""


def write_section(heading: str, markdown: str) -> None:
    """Replace one section of RESULTS.md, and keep the others.

    Args:
        heading: one of `HEADINGS`.
        markdown: the text below it; its own headings are of the third level or deeper.
    """
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    RESULTS.write_text(replace_section(text, heading, markdown), encoding="utf-8")


def replace_section(text: str, heading: str, markdown: str) -> str:
    """Put a section into a document. Sections that are not in `HEADINGS` are removed."""
    _, *sections = f"\n{text}".split("\n## ")
    bodies = {name: body for name, _, body in (section.partition("\n") for section in sections)}
    bodies[heading] = f"\n{markdown}"
    parts = [TITLE, *(f"## {name}\n{bodies[name]}" for name in HEADINGS if name in bodies)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def machine() -> str:
    """Describe the machine and the Python version in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.1f} GiB of memory; "
        f"{platform.system()} {platform.release()}; "
        f"{platform.python_implementation()} {platform.python_version()}."
    )


def _processor() -> str:
    # On Linux, `platform.processor` returns the architecture.
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
