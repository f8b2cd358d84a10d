"""The configuration of Sphinx. `python -m tools.site` writes the sources and runs it."""

import json
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

project = "pynest-async"
extensions = ["myst_parser", "sphinx_reredirects"]

# Quotes in a text can be pasted.
smartquotes = False
myst_heading_anchors = 4
# `site:` is for links to pages that are no documents of Sphinx.
myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    "site": "{{path}}",
}

html_theme = "pydata_sphinx_theme"
#: The released version, or nothing for the newest commit.
version = os.environ.get("SITE_VERSION", "")
html_title = f"{project} {version}".strip()
templates_path = ["templates"]
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_baseurl = "https://org.github.io/pynest-async/"
html_context = {"default_mode": "auto"}
html_sidebars: dict[str, list[str]] = {
    "index": [],
    "search": [],
    "changes": [],
    "versions": [],
    # Code needs the whole width.
    "gallery/*/*.*": [],
    "gallery/differences/*": [],
}
html_theme_options = {
    "github_url": "https://github.com/org/pynest-async",
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["site-links.html"],
    "footer_end": [],
}

#: Moved pages: the old name, and the address relative to it.
redirects = {"changelog": "changes.html"}


def add_file_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the gallery's pages of files, which search and menus leave out."""
    pages = json.loads((Path(app.srcdir).parent / "files.json").read_text(encoding="utf-8"))
    for name, title, body in pages:
        gallery = posixpath.relpath("gallery/index.html", posixpath.dirname(name))
        parents = [{"link": gallery, "title": "Gallery"}]
        yield name, {"title": title, "body": body, "parents": parents}, "page.html"


def add_banner(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Lead from each page of a release to the other versions."""
    del app, pagename, templatename, doctree
    if version:
        versions = context["pathto"]("../versions.html", resource=True)
        context["theme_announcement"] = (
            f'This is the site of version {version}. <a href="{versions}">All versions</a>'
        )


def setup(app: Sphinx) -> None:
    """Connect the gallery and the banner."""
    app.connect("html-collect-pages", add_file_pages)
    app.connect("html-page-context", add_banner)
