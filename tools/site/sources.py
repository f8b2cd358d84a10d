"""The pages of the site, put together from the repository's Markdown files.

No text is written twice: a page is a file of the repository or of a rendered project, or some
sections of one. Links between these files become links between pages. Other links to files lead to
the gallery if the file belongs to a project, and to the repository if not.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from tools.template import SOURCE, TEMPLATE, git

from .gallery import Gallery

REPOSITORY = "https://github.com/org/pynest-async"
SITE = "https://org.github.io/pynest-async/"

PICTURES = TEMPLATE / "docs" / "pictures"

#: The first line of a page of a project.
NOTE = "This page is from a project with all options. It differs in these projects:"
#: The first line of a page of the worked example.
STEP = "The project at the end of this page:"

VERSIONS = """\
# Versions

This site shows the newest commit of the template. New projects get this commit. Each release keeps
its site:
"""
NO_RELEASE = "No release has a site yet.\n"

CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
#: Links and images, and definitions of links. The second group is the address.
LINK = re.compile(r"(\]\()([^)\s]+)|(^\[[^\]]+\]: )(\S+)", re.MULTILINE)
DEFINITION = re.compile(r"^\[[^\]]+\]: \S+\n?", re.MULTILINE)
#: Pictures of another host, such as badges. A reader of the site must not load them.
FOREIGN_PICTURE = re.compile(r"^\[?!\[[^\]]*\]\(https?://.*\n", re.MULTILINE)
#: A paragraph about the site itself, for readers of the repository.
ABOUT_SITE = re.compile(rf"^\[The site\]\({re.escape(SITE)}\).*?\n\n", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^!\[[^\]]*\]\((?:\.\./)*pictures/(\S+)\)$", re.MULTILINE)
DRAWING = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)


class SourceError(Exception):
    """A page can't be made from its file."""


@dataclass(frozen=True)
class Page:
    """A page of the site, and its source.

    Args:
        name: the address on the site, without `.html`.
        path: the path of the Markdown file in the repository or the project.
        sections: the headings of the sections to show, or nothing for the whole file. The empty
            heading is the text above the first section.
        title: the page's title; by default that of the file, or of its only section.
        in_project: whether the file belongs to the rendered project.
        children: the pages below this page in the menu.
        more: more sections of files, which follow.
    """

    name: str
    path: str
    sections: tuple[str, ...] = ()
    title: str = ""
    in_project: bool = False
    children: tuple[str, ...] = ()
    more: tuple[Page, ...] = ()

    def read(self, project: Path) -> str:
        """Return the text of the page's file, without parts that are only for the repository."""
        folder = project if self.in_project else TEMPLATE
        text = (folder / self.path).read_text(encoding="utf-8")
        return ABOUT_SITE.sub("", FOREIGN_PICTURE.sub("", text))


def list_pages(project: Path) -> list[Page]:
    """List the pages that are made from Markdown files.

    Args:
        project: the rendered project, whose pages are the how-to pages.
    """
    shop = [f"shop/{path.stem}" for path in sorted(TEMPLATE.glob("docs/shop/[0-9]*.md"))]
    index = (project / "docs" / "README.md").read_text(encoding="utf-8")
    how_to = re.findall(r"\]\((\S+)\.md\)", index)
    pages = [
        Page(
            "index",
            "README.md",
            ("", "Quick start"),
            children=(
                "quick-start",
                *(["shop/index"] if shop else []),
                "how-to/index",
                "gallery/index",
                "guarantees",
                "changes",
            ),
            more=(
                Page("index", "docs/README.md", ("Before you decide",)),
                Page("index", "README.md", ("Features",)),
            ),
        ),
        Page(
            "quick-start",
            "README.md",
            ("Quick start", "Next steps", "Updating"),
            title="Quick start",
            children=("options", "session-styles", "how-it-works", "compatibility"),
        ),
        Page("options", "README.md", ("Options",)),
        Page("session-styles", "docs/session-styles.md"),
        Page("how-it-works", "docs/how-it-works.md"),
        Page("compatibility", "README.md", ("Compatibility",)),
        Page(
            "how-to/index",
            "docs/README.md",
            title="How-to",
            in_project=True,
            children=("how-to/readme", *(f"how-to/{name}" for name in how_to)),
        ),
        Page("how-to/readme", "README.md", title="A project's README", in_project=True),
        *(Page(f"how-to/{name}", f"docs/{name}.md", in_project=True) for name in how_to),
        Page(
            "guarantees",
            "CONTRIBUTING.md",
            ("Promises",),
            title="Guarantees",
            children=("benchmarks",),
        ),
        Page("benchmarks", "benchmarks/RESULTS.md", title="Benchmarks"),
        Page("changes", "CHANGELOG.md", title="Changes"),
    ]
    if shop:
        pages.append(Page("shop/index", "docs/shop/index.md", children=tuple(shop)))
        pages += [Page(name, f"docs/{name}.md") for name in shop]
    return pages


class Sources:
    """Writes the pages as sources for Sphinx.

    Args:
        project: the rendered project, whose pages are the how-to pages.
        version: the released version of the site, or nothing for the newest commit.
        releases: the released versions that have a site, newest first.
        gallery: the gallery, which shows the project's files.
    """

    def __init__(
        self,
        project: Path,
        version: str,
        releases: list[str],
        gallery: Gallery,
    ) -> None:
        self.project = project
        self.tree = f"v{version}" if version else "main"
        self.gallery = gallery
        self.version = version
        self.releases = releases
        self.pages = list_pages(project)
        self.pictures: dict[str, Path] = {}

    def write(self, folder: Path) -> None:
        """Write all pages and their pictures."""
        for page in self.pages:
            target = folder / f"{page.name}.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.text(page), encoding="utf-8")
        if not self.version:
            (folder / "versions.md").write_text(self.versions(), encoding="utf-8")
        for name, path in self.pictures.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / name)

    def text(self, page: Page) -> str:
        """Return the text of a page, with its links and its menu."""
        text = self.relink(self.body(page), page)
        for each in page.more:
            text += "\n" + re.sub("^#", "##", self.relink(self.body(each), each))
        if page.name == "guarantees":
            text = self.list_promises(text)
        if page.in_project:
            text = self.add_links(text, page, NOTE, self.gallery.versions(page.path))
        title = next(headings(text))
        text = self.add_links(text, page, STEP, self.gallery.step_pages(title))
        if page.name == "changes":
            to = "site:../versions.html" if self.version else "versions.md"
            text = text.replace("\n", f"\n\n[Each release]({to}) keeps its site.\n", 1)
        if page.children:
            text += "\n" + toctree(page)
        return text

    def add_links(self, text: str, page: Page, note: str, links: list[tuple[str, str]]) -> str:
        """Add a note with links below the title, if there are links."""
        if not links:
            return text
        title, _, rest = text.partition("\n")
        listed = ", ".join(f"[{name}]({relative(to, page.name)}.html)" for to, name in links)
        return f"{title}\n\n{note} {listed}.\n{rest}"

    def versions(self) -> str:
        """Return the page with the sites of all releases."""
        rows = "".join(
            f"| [{each}](site:{each}/index.html) | [changes](site:{each}/changes.html) |\n"
            for each in self.releases
        )
        table = f"| version | changes |\n| --- | --- |\n{rows}" if rows else NO_RELEASE
        return f"---\norphan: true\n---\n{VERSIONS}\n{table}"

    def body(self, page: Page) -> str:
        """Return the sections of a page, before its links are changed."""
        text = page.read(self.project)
        if page.sections:
            definitions = DEFINITION.findall(text)
            parts = split(DEFINITION.sub("", text))
            chosen = "".join(parts[heading] for heading in page.sections)
            if page.sections[0] == "":
                text = chosen
            elif len(page.sections) == 1:
                text = re.sub("^#", "", chosen, flags=re.MULTILINE)
            else:
                text = f"# {page.title}\n\n" + chosen.partition("\n")[2]
            # Sphinx reports a definition that two sections of a page repeat.
            text += "\n" + "".join(each for each in definitions if each.partition(":")[0] in text)
        if page.title:
            text = re.sub(r"\A# .*", f"# {page.title}", text)
        return text

    @cached_property
    def titles(self) -> dict[str, str]:
        """The title of each page."""
        return {page.name: next(headings(self.body(page))) for page in self.pages}

    @cached_property
    def anchors(self) -> dict[str, set[str]]:
        """The anchors of each page."""
        return {page.name: set(map(slug, headings(self.body(page)))) for page in self.pages}

    def relink(self, text: str, page: Page) -> str:
        """Change the links of a page, and replace its drawings by pictures."""

        def replace(match: re.Match[str]) -> str:
            before = match[1] or match[3]
            return before + self.address(match[2] or match[4], page)

        text = outside_code(text, lambda part: LINK.sub(replace, part))
        text = PICTURE.sub(lambda match: full_size(match[0], match[1], page), text)
        return DRAWING.sub(lambda match: self.picture(drawing_path(match[0]), page), text)

    def picture(self, path: Path, page: Page) -> str:
        """Add the picture of a drawing to the site; return it as Markdown.

        Raises:
            SourceError: there is no picture of the drawing.
        """
        if not path.is_file():
            message = f"no picture of a drawing in {page.path}: run `make pictures`"
            raise SourceError(message)
        return full_size(f"![The drawing]({self.add_picture(path, page)})", path.name, page)

    def add_picture(self, path: Path, page: Page) -> str:
        """Add a picture to the site; return its address for a page."""
        name = f"pictures/{path.name}"
        self.pictures[name] = path
        return posixpath.relpath(name, posixpath.dirname(page.name) or ".")

    def address(self, link: str, page: Page) -> str:
        """Return the address on the site, or in the repository, of a link in a page's source.

        Raises:
            SourceError: the link leads to no file.
        """
        if link.startswith(SITE):
            return relative(link.removeprefix(SITE), page.name)
        if re.match(r"[a-z]+:", link):
            return link
        path, _, anchor = unquote(link).partition("#")
        folder = posixpath.dirname(page.path)
        path = posixpath.normpath(posixpath.join(folder, path)) if path else page.path
        in_project = page.in_project
        if path.startswith(f"{SOURCE.name}/"):
            path, in_project = path.removeprefix(f"{SOURCE.name}/"), True
        targets = [
            each for each in self.pages if (each.path, each.in_project) == (path, in_project)
        ]
        if targets:
            return self.link(targets, anchor, page)
        if in_project and (self.project / path).is_file():
            return relative(self.gallery.complete_page(path) + ".html", page.name)
        if Path(path).suffix in {".svg", ".png"}:
            return self.add_picture(TEMPLATE / path, page)
        if not (TEMPLATE / path).exists():
            message = f"broken link {link!r} in {page.path}: use the path of an existing file"
            raise SourceError(message)
        return self.in_repository(path, f"#{anchor}" if anchor else "")

    def link(self, targets: list[Page], anchor: str, page: Page) -> str:
        """Return a link to an anchor in one of the pages that are made from the same file."""
        having = [each for each in targets if anchor in self.anchors[each.name]]
        # A page about one section is better than a page with some sections.
        target = min(having or targets, key=lambda each: (each is not page, len(each.sections) > 1))
        end = f"#{anchor}" if having else ""
        if target is page and end:
            return end
        folder = posixpath.dirname(page.name) or "."
        return posixpath.relpath(f"{target.name}.md", folder) + end

    def in_repository(self, path: str, anchor: str = "") -> str:
        """Return the address of a file in the repository."""
        kind = "tree" if (TEMPLATE / path).is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/{self.tree}/{quote(path)}{anchor}"

    def list_promises(self, text: str) -> str:
        """Turn the table of promises into sections and lists, with a link to each test."""
        places = find_tests()

        def link(match: re.Match[str]) -> str:
            path, line = places[match[1]]
            return f"[`{match[1]}`]({self.in_repository(path, f'#L{line}')})"

        def row(match: re.Match[str]) -> str:
            promise, tests = match[1].strip(), match[2].strip()
            if promise.startswith("**"):
                return f"\n## {promise.strip('*')}\n\n"
            linked = re.sub(r"`(test_\w+)`", link, tests)
            return f"- {promise[0].upper()}{promise[1:]}.\n  {linked}\n"

        text = re.sub(r"^\| promise .*\n\|[-| ]+\n", "", text, flags=re.MULTILINE)
        return re.sub(r"^\| (.+?) \| (.*)\|\n", row, text, flags=re.MULTILINE)


def drawing_path(block: str) -> Path:
    """Return the path of the picture that `make pictures` has made of a drawing."""
    return PICTURES / f"drawing-{hashlib.sha256(block.encode()).hexdigest()[:8]}.svg"


def full_size(picture: str, name: str, page: Page) -> str:
    """Make a picture a link to itself, because it is small on a phone."""
    return f"[{picture}]({relative(f'_images/{name}', page.name)})"


def toctree(page: Page) -> str:
    """Return the part of the menu below a page."""
    folder = posixpath.dirname(page.name) or "."
    names = "\n".join(posixpath.relpath(name, folder) for name in page.children)
    return f"```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def relative(address: str, page: str) -> str:
    """Return a link from a page to an address that Sphinx doesn't check."""
    return "site:" + posixpath.relpath(address, posixpath.dirname(page) or ".")


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a Markdown text except its code."""
    codes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        codes.append(match[0])
        return f"\0{len(codes) - 1}\0"

    changed = change(CODE.sub(hide, text))
    return re.sub(r"\0(\d+)\0", lambda match: codes[int(match[1])], changed)


def split(text: str) -> dict[str, str]:
    """Split a Markdown text into its sections, by heading, in order."""
    parts = {"": ""}
    heading = ""
    for line in lines_outside_code(text):
        if line[0].startswith("## ") and not line[1]:
            heading = line[0].removeprefix("## ").strip()
            parts[heading] = ""
        parts[heading] += line[0]
    return parts


def lines_outside_code(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it belongs to a block of code."""
    fenced = False
    for line in text.splitlines(keepends=True):
        mark = line.lstrip().startswith("```")
        yield line, fenced or mark
        fenced ^= mark


def headings(text: str) -> Iterator[str]:
    for line, is_code in lines_outside_code(text):
        if line.startswith("#") and not is_code:
            yield line.lstrip("#").strip()


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def find_tests() -> dict[str, tuple[str, int]]:
    """Find the file and the line of each test of the template and of its projects."""
    found: dict[str, tuple[str, int]] = {}
    for path in git(TEMPLATE, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split(
        "\0"
    ):
        if path.endswith(".py") and (TEMPLATE / path).is_file():
            text = (TEMPLATE / path).read_text(encoding="utf-8")
            for match in TEST.finditer(text):
                found.setdefault(match[1], (path, text.count("\n", 0, match.start(1)) + 1))
    return found
