"""The tested combinations of choices, and the encoding of free-text answers."""

from dataclasses import dataclass, fields
from itertools import product

from tools.template import DATABASES, SESSION_STYLES


@dataclass(frozen=True)
class Combination:
    """A choice of the options that select code or files."""

    database: str
    session_style: str
    auth: str = "none"
    telemetry: str = "none"
    deploy: str = "compose"

    def __str__(self) -> str:
        return "-".join(self.answers.values())

    @property
    def answers(self) -> dict[str, str]:
        """The answers for cookiecutter. Old versions don't have the options that are left out."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


#: Each database in each session style.
COMBINATIONS = [Combination(*choices) for choices in product(DATABASES, SESSION_STYLES)]

#: The options that add files. With `COMBINATIONS`, each pair of choices of any two options is in
#: one of these, and all three are on in one.
EXTENDED = [
    Combination("sqlite", "service", "oidc"),
    Combination("postgresql", "controller", "oidc", "opentelemetry", "kubernetes"),
    Combination("mysql", "controller", "oidc", deploy="kubernetes"),
    Combination("sqlite", "controller", telemetry="opentelemetry"),
    Combination("mysql", "service", telemetry="opentelemetry", deploy="kubernetes"),
]

#: Each database and each session style. No code in a project depends on both options, as
#: `test_combinations_differ_only_in_listed_files` shows, so three legs are enough for most tests.
SOME = ("sqlite-controller", "postgresql-service", "mysql-controller")
#: The other three legs: if tests take turns, the processes have equal work.
OTHERS = ("sqlite-service", "postgresql-controller", "mysql-service")

TEXTS = ("project_name", "project_slug", "project_description", "author_name", "author_email")


def as_given(answers: dict[str, str]) -> dict[str, str]:
    """Escape answers for cookiecutter's `extra_context`.

    cookiecutter renders text from `extra_context` as a template, but not text typed at a prompt.
    """
    return {
        name: '{{ "' + answer.encode("unicode_escape").decode().replace('"', r"\"") + '" }}'
        if name in TEXTS
        else answer
        for name, answer in answers.items()
    }
