"""The tested combinations of choices, and the encoding of free-text answers."""

from dataclasses import dataclass
from itertools import product

from tools.template import DATABASES, SESSION_STYLES


@dataclass(frozen=True)
class Combination:
    """A choice of the options that select code."""

    database: str
    session_style: str
    auth: str = "none"

    def __str__(self) -> str:
        return f"{self.database}-{self.session_style}{'-oidc' if self.auth == 'oidc' else ''}"

    @property
    def answers(self) -> dict[str, str]:
        """The answers for cookiecutter. Old versions have no option `auth`."""
        auth = {} if self.auth == "none" else {"auth": self.auth}
        return {"database": self.database, "session_style": self.session_style, **auth}


#: Every supported combination: each database in each session style.
COMBINATIONS = [Combination(*choices) for choices in product(DATABASES, SESSION_STYLES)]

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
