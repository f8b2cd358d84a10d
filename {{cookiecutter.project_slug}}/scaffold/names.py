"""The names of a module, its classes, its table and its routes."""

import builtins
import keyword
import re
import sys
from dataclasses import dataclass

from pluralizer import Pluralizer

#: Names that `src` or the routes have already, or that mean something else in Python.
RESERVED = {"app", "config", "core", "docs", "openapi"}
WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}
#: The longest name in PostgreSQL, and the longest of a table, whose constraints add to it.
MAX_NAME = 63
MAX_MODULE = 40
#: Names that the controller and the service import; a model can't have them.
IMPORTED = {
    *("After64", "AsyncSession", "Controller", "Delete", "Depends", "Get", "HTTPException", "Id64"),
    *("Injectable", "Limit", "Page", "Patch", "Post", "Reader", "Request", "Response"),
}
#: Schemas of the OpenAPI document.
SCHEMAS = {"HTTPValidationError", "InvalidInput", "Problem", "ValidationError"}
#: Variables of the controller and the service.
VARIABLES = {
    *("added", "after", "changes", "limit", "location", "name", "query", "reader", "request"),
    *("response", "result", "row", "rows", "self", "session", "value"),
}


class RejectedError(Exception):
    """The module can't be made; the message is one line with the reason and the fix."""


@dataclass(frozen=True)
class Names:
    """The names of a module."""

    #: The folder, the table and the tag: `order_items`.
    module: str
    #: The singular: `order_item`.
    singular: str
    #: The path of its routes, without slashes at the ends: `order-items`.
    route: str

    @property
    def plural_class(self) -> str:
        """The start of the names of its controller, service and module: `OrderItems`."""
        return camel_case(self.module)

    @property
    def singular_class(self) -> str:
        """The name of the entity and the model: `OrderItem`."""
        return camel_case(self.singular)

    @property
    def model(self) -> str:
        """The model's name in the controller and the service."""
        return self.singular_class + ("Model" if self.singular_class in IMPORTED else "")

    @property
    def many(self) -> str:
        """The plural in names of functions: `order_items`, or `all_sheep`."""
        return self.module if self.module != self.singular else f"all_{self.module}"

    @property
    def variable(self) -> str:
        """The singular as a variable: `order_item`, or `class_`."""
        taken = keyword.iskeyword(self.singular) or hasattr(builtins, self.singular)
        return f"{self.singular}_" if taken or self.singular in VARIABLES else self.singular


def make_names(name: str, singular: str = "", route: str = "") -> Names:
    """Make a module's names from options in any usual spelling.

    Args:
        name: `orders`, `order_items`, `OrderItems`, `order-items` or `Order items`.
        singular: the singular, if it can't be derived from the name.
        route: the path of the routes, if it isn't the name: `/shop/orders`.

    Raises:
        RejectedError: a name is invalid or taken.
    """
    module = snake_case(name, "name")
    for taken, reason in [
        (keyword.iskeyword(module), "a keyword of Python"),
        (module in sys.stdlib_module_names, "a module of Python"),
        (module in RESERVED, "a part of the app"),
        (module in WINDOWS_DEVICES, "a device on Windows"),
        (len(module) > MAX_MODULE, f"over {MAX_MODULE} characters long"),
        (module.startswith(("sqlite_", "alembic_")), "kept for the database's own tables"),
    ]:
        if taken:
            raise RejectedError(f"name: {module!r} is {reason}; give another, such as 'orders'")
    names = Names(
        module,
        snake_case(singular, "singular") if singular else singular_of(module),
        make_route(route) if route else module,
    )
    if names.singular_class.isupper():
        raise RejectedError(
            f"singular: {names.singular!r} makes a class {names.singular_class}, which reads as a "
            "constant; give a word, such as 'order'"
        )
    if len(names.singular) > MAX_MODULE:
        raise RejectedError(
            f"singular: {names.singular!r} is over {MAX_MODULE} characters long; give another, "
            "such as 'order'"
        )
    of_python = keyword.iskeyword(names.singular_class) or hasattr(builtins, names.singular_class)
    if of_python or names.singular_class in SCHEMAS:
        raise RejectedError(
            f"singular: {names.singular!r} makes a class {names.singular_class}, which "
            f"{'Python' if of_python else 'the OpenAPI document'} has; give another, such as "
            f"'my_{names.singular}'"
        )
    return names


def singular_of(module: str) -> str:
    """Derive the singular, which is the name itself if there is no other word."""
    singular: str = Pluralizer().singular(module)  # type: ignore[no-untyped-call]  # its own
    return singular or module


def snake_case(name: str, option: str) -> str:
    """Spell a name as `order_items`.

    Raises:
        RejectedError: it doesn't consist of words of ASCII letters and digits.
    """
    stripped = name.strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([ _-]+[A-Za-z0-9]+)*", stripped):
        raise RejectedError(
            f"{option}: {name!r} is not made of words of letters and digits, the first of which "
            "begins with a letter; give a name such as 'order_items'"
        )
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", stripped)
    return "_".join(re.split(r"[ _-]+", words)).lower()


def camel_case(name: str) -> str:
    """Spell a name as `OrderItems`."""
    return "".join(word.capitalize() for word in name.split("_"))


def make_route(route: str) -> str:
    """Remove the slashes at the ends of a route.

    Raises:
        RejectedError: it isn't a path of plain segments.
    """
    stripped = route.strip("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*", stripped):
        raise RejectedError(
            f"route: {route!r} is not made of lower-case letters, digits, '-' and '_' between "
            "slashes; give one such as '/order-items'"
        )
    return stripped
