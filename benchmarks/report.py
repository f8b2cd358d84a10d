"""RESULTS.md: what was measured, a section for each benchmark, and on which machine."""

import os
import platform
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = """# Results

Numbers that were measured, each section by its own run; `make bench` writes them anew.
"""


def write_section(heading: str, markdown: str) -> None:
    """Write one section of RESULTS.md anew, and leave the others as they are.

    Args:
        heading: the section's heading, such as `Serving`, without marks.
        markdown: what stands below it; its own headings are of the third level or deeper.
    """
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else TITLE
    RESULTS.write_text(replace_section(text, heading, markdown), encoding="utf-8")


def replace_section(text: str, heading: str, markdown: str) -> str:
    """Put a section into a document, in place of the one of that heading, or at the end."""
    top, *sections = f"\n{text}".split("\n## ")
    bodies = {name: body for name, _, body in (section.partition("\n") for section in sections)}
    bodies[heading] = f"\n{markdown}"
    parts = [top, *(f"## {name}\n{body}" for name, body in bodies.items())]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def machine() -> str:
    """Describe the machine and the Python in a line of Markdown."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.1f} GiB of memory; "
        f"{platform.system()} {platform.release()}; "
        f"{platform.python_implementation()} {platform.python_version()}."
    )


def _processor() -> str:
    # Python's own answer on Linux is the architecture.
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
