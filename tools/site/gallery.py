"""The gallery: every file of some projects, and the differences between two projects.

A text that a file has in several projects has one page, in the folder of the first project.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from html import escape
from pathlib import PurePosixPath
from typing import Any

from .code import count_changes, difference, listing
from .guide import find_page
from .projects import Comparison, Project

#: A tree of files: the names of files, and folders with their trees.
Tree = dict[str, Any]

INTRODUCTION = """\
# Gallery

These projects were rendered from this version of the template. Read each file of them here, or see
the differences between two choices.
"""
COMBINATIONS = """
## Combinations

Each project has another database or another [session style](../session-styles.md). The first one is
the default.

"""
OPTIONS = """
## Options that add files

Each project switches one option on. The last project has all of them.

"""
DIFFERENCES = """
## Differences

Each page shows two projects that differ in one choice.

"""
#: Leaves the right column to the code.
WIDE = "---\nhtml_theme.sidebar_secondary.remove: true\n---\n"
COMMAND = "uvx cookiecutter gh:org/pynest-async --no-input"


class Gallery:
    """Writes the pages of the gallery.

    Args:
        projects: the rendered projects.
        comparisons: pairs of them.
        steps: the steps of the worked example.
        changes: each step beside the one before it.
        find_title: returns the title of a page by its name.
    """

    def __init__(
        self,
        projects: list[Project],
        comparisons: list[Comparison],
        steps: list[Project],
        changes: list[Comparison],
        find_title: Callable[[str], str],
    ) -> None:
        self.projects = projects
        self.comparisons = comparisons
        self.steps = steps
        self.changes = changes
        self.find_title = find_title
        #: The projects that have the same text of a file, by its path and text.
        self.places: dict[tuple[str, str], list[Project]] = {}
        #: The texts of each file.
        self.texts: dict[str, list[str]] = {}
        for project in [*projects, *steps]:
            for path, text in project.files.items():
                if text not in self.texts.setdefault(path, []):
                    self.texts[path].append(text)
                self.places.setdefault((path, text), []).append(project)

    def file_page(self, path: str, text: str) -> str:
        """Return the name of the page with a text of a file."""
        return f"{folder_of(self.places[path, text][0])}/{address(path)}"

    def complete_page(self, path: str) -> str:
        """Return the name of the page with a file of the project with all options."""
        return self.file_page(path, self.projects[-1].files[path])

    def versions(self, path: str) -> list[tuple[str, str]]:
        """Return pages with other texts of a file, and the titles of their first projects."""
        return [
            (self.file_page(path, text), self.places[path, text][0].title)
            for text in self.texts.get(path, [])
            if text != self.projects[-1].files[path] and self.places[path, text][0] in self.projects
        ]

    def step_pages(self, title: str) -> list[tuple[str, str]]:
        """Return the pages about a step of the worked example, and the texts of their links."""
        trees = [each for each in self.steps if each.title == title]
        changes = [each for each in self.changes if each.new.title == title]
        return [
            *((f"{folder_of(each)}/index", "all files") for each in trees),
            *((page_of(each), "changes") for each in changes),
        ]

    # The documents, which are in the menu.

    def documents(self) -> Iterator[tuple[str, str]]:
        """Yield the names and the Markdown texts of all pages but those of single files."""
        yield "gallery/index", self._index()
        for project in self.projects:
            yield f"{folder_of(project)}/index", self._project(project, self.comparisons)
        for project in self.steps:
            yield f"{folder_of(project)}/index", self._project(project, self.changes)
        for comparison in [*self.comparisons, *self.changes]:
            yield page_of(comparison), self._comparison(comparison)

    def _index(self) -> str:
        combined = [each for each in self.projects if not each.adds]
        others = [each for each in self.projects if each.adds]
        text = INTRODUCTION + COMBINATIONS + _table(combined)
        text += OPTIONS + _table(others) + DIFFERENCES
        text += "| choices | files that differ | lines added | lines removed |\n"
        text += "| --- | --- | --- | --- |\n"
        for each in self.comparisons:
            added, removed = _count(each)
            link = f"[{each.title}](differences/{each.name}.md)"
            text += f"| {link} | {len(each.paths)} | {added} | {removed} |\n"
        if self.steps:
            text += "\n## Steps of the worked example\n\n"
            text += "| step | changes | files | lines |\n"
            text += "| --- | --- | --- | --- |\n"
        for step in self.steps:
            (tree, _), *changes = self.step_pages(step.title)
            links = [f"[{name}]({_relative(to, 'gallery/index')}.md)" for to, name in changes]
            text += f"| [{step.title}]({_relative(tree, 'gallery/index')}.md) | {''.join(links)} "
            text += f"| {len(step.files)} | {step.lines:,} |\n"
        text += "\n" + _menu("Projects", [f"{each.name}/index" for each in self.projects])
        text += _menu("Differences", [f"differences/{each.name}" for each in self.comparisons])
        steps = [f"{each.name}/index" for each in self.steps]
        return text + _menu(
            "Worked example", steps + [f"differences/{each.name}" for each in self.changes]
        )

    def _project(self, project: Project, comparisons: list[Comparison]) -> str:
        page = f"{folder_of(project)}/index"
        text = f"# {project.title}\n\n"
        if project in self.projects:
            given = " ".join(f"{name}={answer}" for name, answer in project.answers.items())
            text += f"```sh\n{COMMAND} {given}\n```\n\n"
        text += f"{len(project.files)} files, {project.lines:,} lines: {_parts(project)}."
        found = [each for each in comparisons if project in (each.old, each.new)]
        links = [f"[{each.title}]({_relative(page_of(each), page)}.md)" for each in found]
        if links:
            text += " Differences: " + "; ".join(links) + "."
        tree: Tree = {}
        for path in project.files:
            *folders, name = path.split("/")
            node = tree
            for folder in folders:
                node = node.setdefault(f"{folder}/", {})
            node[name] = path
        return text + "\n\n" + _raw(self._tree(tree, project, page, "tree"))

    def _tree(self, tree: Tree, project: Project, page: str, kind: str = "") -> str:
        items = []
        # Folders come first, and hidden names last.
        for name, node in sorted(
            tree.items(), key=lambda item: (isinstance(item[1], str), item[0][0] == ".", item[0])
        ):
            if isinstance(node, dict):
                items.append(
                    f"<li><details open><summary>{escape(name)}</summary>"
                    f"{self._tree(node, project, page)}</details></li>"
                )
            else:
                target = self.file_page(node, project.files[node])
                link = f'<a href="{_link(target, page)}">{escape(name)}</a>'
                items.append(f"<li>{link} {self._about(node, page)}</li>")
        mark = f' class="{kind}"' if kind else ""
        return f"<ul{mark}>{''.join(items)}</ul>"

    def _about(self, path: str, page: str) -> str:
        about = find_page(path)
        return f'<a class="about" href="{_link(about, page)}">{escape(self.find_title(about))}</a>'

    def _comparison(self, comparison: Comparison) -> str:
        page = page_of(comparison)
        old, new = comparison.old, comparison.new
        sides = [
            f"[{each.title}]({_relative(folder_of(each), page)}/index.md)" for each in (old, new)
        ]
        text = f"{WIDE}# {comparison.title}\n\nFrom {sides[0]} to {sides[1]}. "
        added, removed = _count(comparison)
        text += (
            f"{len(comparison.paths)} files differ: {added} lines are added, {removed} removed.\n\n"
        )
        text += "| file | lines added | lines removed |\n| --- | --- | --- |\n"
        for path in comparison.paths:
            added, removed = count_changes(old.files.get(path, ""), new.files.get(path, ""))
            text += f"| [`{path}`](#{slug(path)}) | {added} | {removed} |\n"
        text += "\n"
        for path in comparison.paths:
            text += f"## `{path}`\n\n"
            texts = [("old file", old.files.get(path)), ("new file", new.files.get(path))]
            links = [
                f'<a href="{_link(self.file_page(path, each), page)}">{side}</a>'
                for side, each in texts
                if each is not None
            ]
            text += _raw(
                f"<p>{', '.join(links)}, {self._about(path, page)}</p>"
                + difference(PurePosixPath(path).name, texts[0][1] or "", texts[1][1] or "")
            )
        return text

    # The pages of files, which are only linked.

    def file_pages(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the title and the HTML of the page of each text of each file."""
        for (path, text), projects in self.places.items():
            page = self.file_page(path, text)
            yield page, path, self._file(path, text, projects, page)

    def _file(self, path: str, text: str, projects: list[Project], page: str) -> str:
        about = f"About this file: {self._about(path, page)}."
        body = f"<h1>{escape(path).replace('/', '/<wbr>')}</h1><p>{about}</p>"
        body += self._list(
            "In the projects", [each for each in projects if each not in self.steps], page
        )
        body += self._list(
            "In the steps of the shop", [each for each in projects if each in self.steps], page
        )
        found = [
            f'<a href="{_link(page_of(each), page)}#{slug(path)}">{escape(each.title)}</a>'
            for each in [*self.comparisons, *self.changes]
            if path in each.paths and text in (each.old.files.get(path), each.new.files.get(path))
        ]
        if found:
            body += f"<p>Differences: {'; '.join(found)}.</p>"
        return body + listing(PurePosixPath(path).name, text)

    def _list(self, label: str, projects: list[Project], page: str) -> str:
        if not projects:
            return ""
        if len(projects) == len(self.projects):
            return f'<p>The same in <a href="{_link("gallery/index", page)}">all projects</a>.</p>'
        links = [
            f'<a href="{_link(folder_of(each) + "/index", page)}">{escape(each.title)}</a>'
            for each in projects
        ]
        return f"<p>{label}: {'; '.join(links)}.</p>"


def folder_of(project: Project) -> str:
    """Return the folder of a project on the site."""
    return f"gallery/{project.name}"


def page_of(comparison: Comparison) -> str:
    """Return the name of a comparison's page."""
    return f"gallery/differences/{comparison.name}"


def address(path: str) -> str:
    """Return the address of a file's page in its project's folder.

    Pages can't begin with a dot, because the upload to GitHub Pages leaves such files out.
    """
    path = re.sub(r"\[\[cookiecutter\.(\w+)\]\]", r"\1", path)
    return re.sub(r"(^|/)\.", r"\1dot-", path)


def slug(path: str) -> str:
    """Return the anchor of a heading that is a path."""
    return re.sub(r"[^\w -]", "", path.lower()).replace(" ", "-")


def _relative(target: str, page: str) -> str:
    return posixpath.relpath(target, posixpath.dirname(page))


def _link(target: str, page: str) -> str:
    return escape(_relative(f"{target}.html", page))


def _raw(html: str) -> str:
    return f"```{{raw}} html\n{html}\n```\n\n"


def _menu(caption: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(names) + "\n```\n"


def _table(projects: list[Project]) -> str:
    rows = "| project | files | lines |\n| --- | --- | --- |\n"
    for each in projects:
        rows += f"| [{each.title}]({each.name}/index.md) | {len(each.files)} | {each.lines:,} |\n"
    return rows


def _parts(project: Project) -> str:
    """Return the number of lines in each folder."""
    lines: dict[str, int] = {}
    for path, text in project.files.items():
        folder = path.partition("/")[0] if "/" in path else "other files"
        lines[folder] = lines.get(folder, 0) + text.count("\n")
    by_size = sorted(lines.items(), key=lambda item: -item[1])
    return ", ".join(f"{folder} {count:,}" for folder, count in by_size)


def _count(comparison: Comparison) -> tuple[int, int]:
    old, new = comparison.old.files, comparison.new.files
    counts = [count_changes(old.get(path, ""), new.get(path, "")) for path in comparison.paths]
    return sum(added for added, _ in counts), sum(removed for _, removed in counts)
