"""Follow the pages of the worked example in docs/shop.

`python -m tools.shop FOLDER` makes FOLDER a git repository with the shop, one commit for each page.
It needs no database server, so it skips the commands that need one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.helpers.repositories import snapshot

from .pages import Block, apply, read_blocks
from .template import TEMPLATE, git, run

PAGES = TEMPLATE / "docs" / "shop"
#: The template's address in the pages; git gets it from a snapshot of this repository.
URL = "https://github.com/org/pynest-async.git"
#: The project's folder.
NAME = "shop"
#: Blocks and lines that need the service, a database or containers.
ONLINE = re.compile(r"\w+=|curl |for |make run|docker |kubectl ")
ONLINE_LINE = re.compile(r"make (database|migrate|test)$", re.MULTILINE)
#: The other lines: all of make's targets lock the versions first, a migration without a database is
#: empty, and cookiecutter is installed.
OFFLINE = {
    r"(?m)^make lint$": "make uv.lock",
    r"(?m)^make migration m=": "uv run alembic revision -m ",
    r"(?m)^uvx (?=cookiecutter )": "",
}


def pages() -> list[Path]:
    """Return the pages in their order."""
    return sorted(PAGES.glob("[0-9]*.md"))


def title(page: Path) -> str:
    """Return the title of a page, which is also its commit's subject."""
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


class Walk:
    """Follows the pages without a database.

    Args:
        folder: an empty folder, which the project's folder will be in.
        **variables: more variables for the commands.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.project = folder / NAME
        home = folder / "home"
        home.mkdir()
        config = {
            f"url.{snapshot(folder / 'template')}.insteadOf": URL,
            "user.name": "Ada",
            "user.email": "ada@example.com",
        }
        # uv and cookiecutter are beside this Python.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.variables = {
            "PATH": path,
            "HOME": str(home),
            "UV_CACHE_DIR": run("uv cache dir", folder, PATH=path).strip(),
            "UV_PROJECT_ENVIRONMENT": str(folder / "environment"),
            "GIT_CONFIG_COUNT": str(len(config)),
            **variables,
        }
        for number, (name, value) in enumerate(config.items()):
            self.variables |= {
                f"GIT_CONFIG_KEY_{number}": name,
                f"GIT_CONFIG_VALUE_{number}": value,
            }

    def follow(self, page: Path) -> None:
        """Run the commands of a page, and apply its code."""
        for block in read_blocks(page.read_text(encoding="utf-8")):
            named = re.fullmatch(r"`([\w./-]+)`", block.above)
            if block.language == "sh":
                self.run(block.text)
            elif named:
                self.edit(self.project / named[1], block)
            elif "`migrations/versions`" in block.above:
                versions = self.project.glob("migrations/versions/*.py")
                self.edit(max(versions, key=lambda path: path.stat().st_mtime), block)
            else:
                self.compare(block)

    def run(self, commands: str) -> None:
        """Run the commands of a block."""
        if not ONLINE.match(commands):
            commands = ONLINE_LINE.sub("", commands)
            for pattern, replacement in OFFLINE.items():
                commands = re.sub(pattern, replacement, commands)
            self.execute(commands)

    def execute(self, commands: str) -> str:
        """Run commands in the project, or beside it if there is none yet."""
        folder = self.project if self.project.exists() else self.folder
        return run(f"set -e\n{commands}", folder, **self.variables)

    def edit(self, path: Path, block: Block) -> None:
        """Put the code of a block into a file. A migration gets other functions."""
        if block.language != "python":
            path.write_text(block.text, encoding="utf-8")
            return
        if path.parent.name != "versions":
            apply(path, block.text)
            return
        before = path.read_text(encoding="utf-8")
        after = before.partition("def upgrade")[0] + block.text
        # Without a database, Alembic writes an empty migration.
        if "Alembic writes" in block.above and "    pass\n" not in before:
            assert after == before, before
        path.write_text(after, encoding="utf-8")

    def compare(self, block: Block) -> None:
        """Compare the output of the last command with the page's. Here, there is none."""


def main() -> None:
    """Read the folder from the command line, and write the repository to it."""
    parser = argparse.ArgumentParser("python -m tools.shop", description="Write the shop.")
    parser.add_argument("folder", type=Path, help="a folder that doesn't exist yet")
    folder = parser.parse_args().folder
    if folder.exists():
        parser.error(f"{folder} exists: choose another folder")
    with tempfile.TemporaryDirectory() as temporary:
        walk = Walk(Path(temporary))
        for page in pages():
            walk.follow(page)
        shutil.move(walk.project, folder)
    assert git(folder, "log", "--reverse", "--format=%s").split("\n") == [*map(title, pages())]


if __name__ == "__main__":
    main()
