"""Build the site of the work tree, and in a folder below it the site of each release.

`python -m tools.site.publish FOLDER` needs all tags, as in a complete clone. A release's own
Makefile builds its site, with the versions of its tools.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.releases import number
from tools.template import TEMPLATE, git, run

#: A version whose Makefile has the target `site` has this file.
MARK = "tools/site/__main__.py"


def find_releases(repository: Path) -> list[str]:
    """Return the released versions that have a site, newest first."""
    tags = git(repository, "tag", "--list", "v*").split()
    versions = [tag.removeprefix("v") for tag in tags if number(tag.removeprefix("v"))]
    having = [each for each in versions if git(repository, "ls-tree", f"v{each}", "--", MARK)]
    return sorted(having, key=number, reverse=True)


@contextlib.contextmanager
def checked_out(repository: Path, tag: str) -> Iterator[Path]:
    """Check a tag out into a temporary folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "pynest-async")
        git(repository, "worktree", "add", "--quiet", "--detach", str(folder), tag)
        try:
            yield folder
        finally:
            git(repository, "worktree", "remove", "--force", str(folder))


def pages(site: Path) -> set[str]:
    """Return the addresses of a site's pages, without the files of the gallery."""
    return {
        path.relative_to(site).as_posix()
        for path in [*site.glob("*.html"), *site.glob("*/*.html")]
        if path.parent.name != "gallery" or path.name == "index.html"
    }


def publish(repository: Path, output: Path) -> None:
    """Build the sites into an empty or missing folder.

    Raises:
        SystemExit: a page of a release has moved, and no redirect leads to its new address.
    """
    releases = find_releases(repository)
    shutil.rmtree(output, ignore_errors=True)
    run(["make", "site", f"SITE=--releases '{' '.join(releases)}'"], repository)
    shutil.copytree(repository / "build" / "site", output)
    now = pages(output)
    for version in releases:
        with checked_out(repository, f"v{version}") as folder:
            run(["make", "site", f"SITE=--version {version}"], folder)
            shutil.copytree(folder / "build" / "site", output / version)
        if missing := sorted(pages(output / version) - now):
            sys.exit(
                f"pages of {version} are missing: {', '.join(missing)};"
                " add their new addresses to `redirects` in tools/site/conf.py"
            )


if __name__ == "__main__":
    publish(TEMPLATE, Path(sys.argv[1]).resolve())
