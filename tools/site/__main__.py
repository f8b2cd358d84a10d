"""Build the site: `make site`.

`python -m tools.site FOLDER` writes it to FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from .gallery import Gallery
from .guide import NoPageError
from .projects import compare_projects, compare_steps, read_steps, render_projects, write
from .sources import SourceError, Sources


def build(output: Path, version: str, releases: list[str], shop: Path | None) -> None:
    """Build the site.

    Args:
        output: the folder for the site, which is replaced.
        version: the released version, or nothing for the newest commit.
        releases: the released versions with a site, for the site of the newest commit.
        shop: a repository with the worked example, one commit for each step.

    Raises:
        SystemExit: Sphinx has reported a warning.
    """
    work = output.with_name(f"{output.name}-work")
    for folder in (work, output):
        shutil.rmtree(folder, ignore_errors=True)
    projects = render_projects()
    steps = read_steps(shop) if shop else []
    write(projects[-1], work / "project")

    gallery = Gallery(
        projects,
        compare_projects(projects),
        steps,
        compare_steps(steps),
        lambda name: sources.titles[name],
    )
    sources = Sources(work / "project", version, releases, gallery)
    sources.write(work / "source")
    for name, text in gallery.documents():
        path = work / "source" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (work / "files.json").write_text(json.dumps([*gallery.file_pages()]), encoding="utf-8")

    os.environ["SITE_VERSION"] = version
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--jobs=2"]
    folders = [str(work / "source"), str(output)]
    options += [f"--conf-dir={Path(__file__).parent}", f"--doctree-dir={work / 'doctrees'}"]
    if code := build_main([*options, *folders]):
        sys.exit(code)


def main() -> None:
    """Read the arguments, and build the site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--version", default="", help="the version, if it is a release")
    parser.add_argument("--releases", default="", help="the releases with a site, newest first")
    parser.add_argument("--shop", type=Path, help="a repository with the worked example")
    given = parser.parse_args()
    try:
        build(given.output.resolve(), given.version, given.releases.split(), given.shop)
    except (SourceError, NoPageError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
