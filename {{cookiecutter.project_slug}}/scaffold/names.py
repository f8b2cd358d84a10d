"""The names of a module, its classes, its table and its routes."""

import builtins
import keyword
import re
import sys
from dataclasses import dataclass

from pluralizer import Pluralizer

#: Names that the app or its routes already use.
RESERVED = {"app", "config", "core", "docs", "openapi"}
WINDOWS_DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(10)
}
#: The maximum length of names in PostgreSQL, and of tables: names of constraints are longer.
MAX_NAME = 63
MAX_MODULE = 40
#: Names that the controller and the service import. A model with such a name gets a suffix there.
IMPORTED = {
    *("Annotated", "AsyncSession", "Controller", "CursorPage", "Delete", "Depends", "Get"),
    *("HTTPException", "Id64", "Injectable", "Patch", "Post", "Query", "Reader", "Request"),
    *("Response",),
}
#: Schemas that every project's OpenAPI schema contains.
SCHEMAS = {"HTTPValidationError", "InvalidInput", "Problem", "ValidationError"}
#: Variables that the controller and the service already use.
VARIABLES = {
    *("added", "changes", "location", "name", "query", "reader", "request", "response", "result"),
    *("row", "rows", "self", "session", "value"),
}


class RejectedError(Exception):
    """The module can't be created. The message is one line with the reason and the fix."""


@dataclass(frozen=True)
class Names:
    """The names of a module."""

    #: The folder, the table and the tag: `order_items`.
    module: str
    #: The singular: `order_item`.
    singular: str
    #: The path of its routes, without leading or trailing slashes: `order-items`.
    route: str

    @property
    def plural_class(self) -> str:
        """The prefix of the controller, service and module classes: `OrderItems`."""
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
        """The plural in function names: `order_items`, or `all_sheep`."""
        return self.module if self.module != self.singular else f"all_{self.module}"

    @property
    def variable(self) -> str:
        """The singular as a variable: `order_item`, or `class_`."""
        taken = keyword.iskeyword(self.singular) or hasattr(builtins, self.singular)
        return f"{self.singular}_" if taken or self.singular in VARIABLES else self.singular


def make_names(name: str, singular: str = "", route: str = "") -> Names:
    """Derive a module's names from options in any common spelling.

    Args:
        name: `orders`, `order_items`, `OrderItems`, `order-items` or `Order items`.
        singular: the singular, if it can't be derived from the name.
        route: the path of the routes, if it differs from the name: `/shop/orders`.

    Raises:
        RejectedError: a name is invalid or taken.
    """
    module = snake_case(name, "name")
    for taken, reason in [
        (keyword.iskeyword(module), "a Python keyword"),
        (module in sys.stdlib_module_names, "a Python module"),
        (module in RESERVED, "a part of the app"),
        (module in WINDOWS_DEVICES, "a device on Windows"),
        (len(module) > MAX_MODULE, f"over {MAX_MODULE} characters long"),
        (module.startswith(("sqlite_", "alembic_")), "reserved for internal tables"),
    ]:
        if taken:
            raise RejectedError(f"name: {module!r} is {reason}; choose another, such as 'orders'")
    names = Names(
        module,
        snake_case(singular, "singular") if singular else singular_of(module),
        make_route(route) if route else module,
    )
    if names.singular_class.isupper():
        raise RejectedError(
            f"singular: {names.singular!r} would name a class {names.singular_class}, which looks "
            "like a constant; use a word, such as 'order'"
        )
    if len(names.singular) > MAX_MODULE:
        raise RejectedError(
            f"singular: {names.singular!r} is over {MAX_MODULE} characters long; choose another, "
            "such as 'order'"
        )
    of_python = keyword.iskeyword(names.singular_class) or hasattr(builtins, names.singular_class)
    if of_python or names.singular_class in SCHEMAS:
        raise RejectedError(
            f"singular: {names.singular!r} would name a class {names.singular_class}, which "
            f"{'Python' if of_python else 'the OpenAPI schema'} already has; choose another, such "
            f"as 'my_{names.singular}'"
        )
    return names


def singular_of(module: str) -> str:
    """Derive the singular. A name without one, such as `sheep`, is returned unchanged."""
    singular: str = Pluralizer().singular(module)  # type: ignore[no-untyped-call]  # its own
    return singular or module


def snake_case(name: str, option: str) -> str:
    """Convert a name to snake case: `order_items`.

    Raises:
        RejectedError: the name doesn't consist of words of ASCII letters and digits.
    """
    stripped = name.strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([ _-]+[A-Za-z0-9]+)*", stripped):
        raise RejectedError(
            f"{option}: {name!r} is invalid; use words of letters (a-z) and digits, starting with "
            "a letter, such as 'order_items'"
        )
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])", r"\1\3 \2", stripped)
    return "_".join(re.split(r"[ _-]+", words)).lower()


def camel_case(name: str) -> str:
    """Convert a name to camel case: `OrderItems`."""
    return "".join(word.capitalize() for word in name.split("_"))


def make_route(route: str) -> str:
    """Remove leading and trailing slashes.

    Raises:
        RejectedError: the route has a parameter or an unsupported character.
    """
    stripped = route.strip("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*", stripped):
        raise RejectedError(
            f"route: {route!r} is invalid; use lower-case letters, digits, '-' and '_' between "
            "slashes, such as '/order-items'"
        )
    return stripped
