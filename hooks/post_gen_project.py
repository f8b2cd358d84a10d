"""Say what comes next, on stderr.

Runs on every update of a project too: offline, deterministic, silent on stdout.
"""

import sys

print(
    """
Your project is in {{ cookiecutter.project_slug }}. Commit it before you edit anything, so that
later updates of the template can be merged:

    cd {{ cookiecutter.project_slug }}
    git init
    git add .
    git commit -m "Start from the template"

Run it, and its tests (README.md shows how without make):

    make run
    make test
""",
    file=sys.stderr,
)
