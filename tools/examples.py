"""Generate the `examples` module of new projects with the scaffold.

Run `python -m tools.examples` after a change of the scaffold. It rewrites the template's files.
"""

import re
import shutil
import sys
import tempfile
from difflib import SequenceMatcher
from pathlib import Path

from .template import SESSION_STYLES, SOURCE, TEMPLATE, files, render, run

MODULE = ("src/examples", "tests/examples", "migrations/versions")
#: The files that depend on the session style.
OF_STYLE = ("examples_controller.py", "examples_service.py")
#: The file that depends on authentication, too.
GUARDED = Path("src", "examples", "examples_controller.py")


def scaffolded(project: Path, folder: Path) -> Path:
    """Copy a project, and let its scaffold generate `examples` in the copy.

    Args:
        project: a rendered project.
        folder: the parent folder of the copy.

    Returns:
        The copy. Its migration has the file name and the revision of the rendered one.
    """
    copy = folder / project.name
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".*_cache", ".venv"))
    for path in MODULE:
        shutil.rmtree(copy / path)
    app_module = copy / "src" / "app_module.py"
    lines = app_module.read_text(encoding="utf-8").splitlines(keepends=True)
    others = [line for line in lines if "ExamplesModule" not in line]
    assert len(others) == len(lines) - 2
    app_module.write_text("".join(others), encoding="utf-8", newline="\n")

    run([sys.executable, "-m", "scaffold", "examples"], copy, PYTHONDONTWRITEBYTECODE="1")

    [migration] = (copy / "migrations" / "versions").iterdir()
    text = re.sub(r'(?m)^revision = ".*"$', 'revision = "0001"', migration.read_text("utf-8"))
    migration.unlink()
    migration = migration.with_name("0001_create_examples.py")
    migration.write_text(text, encoding="utf-8", newline="\n")
    return copy


def combine(plain: str, guarded: str) -> str:
    """Combine a file without authentication and one with it into one template."""
    without, with_auth = plain.splitlines(keepends=True), guarded.splitlines(keepends=True)
    combined = []
    for tag, start, end, first, last in SequenceMatcher(None, without, with_auth).get_opcodes():
        lines = with_auth[first:last]
        if tag != "equal":
            lines.insert(0, '{% if cookiecutter.auth == "oidc" %}\n')
            if start < end:
                lines += ["{% else %}\n", *without[start:end]]
            lines.append("{% endif %}\n")
        combined += lines
    return "".join(combined)


def main() -> None:
    """Write the template's `examples` for each session style."""
    for style in SESSION_STYLES:
        templates = TEMPLATE / "templates" / "session_style" / style
        with tempfile.TemporaryDirectory() as folder:
            made = scaffolded(render(folder, session_style=style), Path(folder, "scaffolded"))
            for part in MODULE:
                for old in (SOURCE / part).glob("*.py"):
                    if not (made / part / old.name).exists():
                        old.unlink()
            for path in files(made):
                if path.parent.as_posix() in MODULE:
                    of_style = path.name in OF_STYLE
                    target = templates / path.name if of_style else SOURCE / path
                    shutil.copyfile(made / path, target)
            plain = (made / GUARDED).read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            project = render(folder, session_style=style, auth="oidc")
            made = scaffolded(project, Path(folder, "scaffolded"))
            guarded = (made / GUARDED).read_text(encoding="utf-8")
        template = templates / GUARDED.name
        template.write_text(combine(plain, guarded), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
