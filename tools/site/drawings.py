"""Make pictures of the drawings in the docs: `python -m tools.site.drawings`.

The docs have their drawings as text, which GitHub shows by Mermaid. Its script has several
megabytes, so the site shows pictures. They are made here, with Mermaid from npm.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.browser import open_page
from tools.template import run

from .projects import render_complete, write
from .sources import DRAWING, PICTURES, drawing_path, list_pages

MERMAID = "mermaid@11.17.2"
#: Draws a text, and returns the SVG. Labels that are no HTML fit also with another font.
DRAW = """async (text) => {
    mermaid.initialize({
        theme: "neutral",
        htmlLabels: false,
        flowchart: {htmlLabels: false, useMaxWidth: false},
        fontFamily: "sans-serif",
    });
    const {svg} = await mermaid.render("drawing", text);
    document.body.innerHTML = svg;
    return new XMLSerializer().serializeToString(document.querySelector("svg"));
}"""


def main() -> None:
    """Make the pictures of all drawings, and remove those of earlier ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(render_complete(), folder / "project")
        blocks = {
            match[0]
            for page in list_pages(folder / "project")
            for match in DRAWING.finditer(page.read(folder / "project"))
        }
        run(f"npm pack --silent {MERMAID} && tar --extract --gzip --file *.tgz", folder)
        for path in PICTURES.glob("drawing-*.svg"):
            path.unlink()
        with open_page() as page:
            page.goto("about:blank")
            page.add_script_tag(path=folder / "package" / "dist" / "mermaid.min.js")
            for block in blocks:
                text = block.partition("\n")[2].removesuffix("```")
                drawing_path(block).write_text(page.evaluate(DRAW, text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
