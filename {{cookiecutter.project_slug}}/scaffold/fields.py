"""The fields of a module, and the code for each type in entities, migrations, models and tests."""

import builtins
import keyword
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from .names import SCHEMAS, RejectedError, camel_case

#: The maximum length of the default of a text.
MAX_TEXT = 100
#: The maximum number of values of an enum.
MAX_VALUES = 100
#: The maximum length of such a value. The column has this length, so later values fit too.
MAX_VALUE = 50


def read_text(text: str) -> str:
    """Read a default of a text."""
    if not text.isprintable() or not 1 <= len(text) <= MAX_TEXT:
        raise ValueError(f"up to {MAX_TEXT} printable characters without spaces")
    return text


def read_integer(text: str, bits: int = 32) -> int:
    """Read a default of an integer."""
    limit = 2 ** (bits - 1)
    if not re.fullmatch(r"0|-?[1-9][0-9]{,18}", text) or not -limit <= int(text) < limit:
        raise ValueError(f"an integer of {bits} bits")
    return int(text)


def read_bigint(text: str) -> int:
    """Read a default of a 64-bit integer."""
    return read_integer(text, 64)


def read_float(text: str) -> float:
    """Read a default of a float."""
    number = r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?"
    if not re.fullmatch(number, text) or not math.isfinite(float(text)):
        raise ValueError("a number, such as 1.5")
    return float(text) + 0.0


def read_decimal(text: str) -> Decimal:
    """Read a default of a decimal."""
    if not re.fullmatch(r"-?(0|[1-9][0-9]{,9})(\.[0-9]{1,2})?", text):
        raise ValueError("a number with up to 10 digits before the point and 2 after it")
    return Decimal(text).quantize(Decimal("0.01")) + 0


def read_boolean(text: str) -> bool:
    """Read a default of a boolean."""
    if text not in {"true", "false"}:
        raise ValueError("true or false")
    return text == "true"


@dataclass(frozen=True)
class Default:
    """The default of a field: an expression in the models, and one of its value in JSON."""

    code: str
    json: str


@dataclass(frozen=True)
class Type:
    """The code for a field of one type."""

    #: In the entity's `Mapped[]`.
    python: str
    #: In the entity's `mapped_column()`.
    column: str
    #: In the migration.
    migration: str
    #: In the models.
    model: str
    #: An expression for a valid value, different for each `number`.
    sample: str
    #: Expressions for invalid values.
    invalid: tuple[str, ...]
    can_be_unique: bool = True
    can_have_index: bool = True
    #: Lists filter it by ranges, too.
    has_ranges: bool = False
    #: The app sets the field, so only the output model has it.
    set_by_app: bool = False
    #: Each update sets it again.
    set_by_update: bool = False
    #: Reads a default, or raises a ValueError that says how to write one.
    read: Callable[[str], Any] | None = None
    #: In the output model, if that differs from the input models.
    output: str = ""


def text_migration(length: int) -> str:
    """Return the code of `src.core.columns.String` in a migration."""
    sorted_text = f'sa.String(length={length}, collation="C")'
    return f'sa.String(length={length}).with_variant({sorted_text}, "postgresql")'


TYPES = {
    "str": Type(
        python="str",
        column="String(100)",
        migration=text_migration(100),
        model="ShortLine",
        sample='f"{name} {number}"',
        invalid=("1", '""', '"   "', '"x" * 101', r'"nul\0"', r'"tab\tand tab"'),
        read=read_text,
    ),
    "text": Type(
        python="str",
        column="Text",
        migration="sa.Text()",
        model="LongText",
        sample='f"{name} {number}"',
        invalid=("1", '""', '"   "', '"x" * 16_384', r'"nul\0"'),
        can_be_unique=False,
        can_have_index=False,
        read=read_text,
    ),
    "int": Type(
        python="int",
        column="Integer",
        migration="sa.Integer()",
        model="Integer",
        sample="number",
        invalid=('"1"', "1.5", "True", "2**31", "-(2**31) - 1"),
        read=read_integer,
        has_ranges=True,
    ),
    "bigint": Type(
        python="int",
        column="BigInteger",
        migration="sa.BigInteger()",
        model="BigInteger",
        sample="2**40 + number",
        invalid=('"1"', "1.5", "True", "2**63", "-(2**63) - 1"),
        read=read_bigint,
        has_ranges=True,
    ),
    "float": Type(
        python="float",
        column="Double",
        migration="sa.Double()",
        model="Double",
        sample="number + 0.5",
        invalid=('"1.5"', "True", "10**400"),
        read=read_float,
        has_ranges=True,
    ),
    "decimal": Type(
        python="Decimal",
        column="Numeric(12, 2)",
        migration="sa.Numeric(precision=12, scale=2)",
        model="Decimal",
        sample='f"{number}.50"',
        invalid=("1.5", '"x"', '"1.555"', '"12345678901"'),
        read=read_decimal,
        has_ranges=True,
    ),
    "bool": Type(
        python="bool",
        column="Boolean",
        migration="sa.Boolean()",
        model="Boolean",
        sample="number % 2 == 0",
        invalid=("1", '"true"'),
        can_be_unique=False,
        read=read_boolean,
    ),
    "date": Type(
        python="dt.date",
        column="Date",
        migration="sa.Date()",
        model="Date",
        sample='f"{2000 + number}-02-28"',
        invalid=("0", '"2026-02-29"', '"2026-02-28T12:00:00Z"'),
        has_ranges=True,
    ),
    "datetime": Type(
        python="dt.datetime",
        column="DateTime",
        migration="sa.DateTime(timezone=True)",
        model="DateTime",
        sample='f"{2000 + number}-02-28T12:00:00.250000Z"',
        invalid=("0", '"2026-02-28"', '"2026-02-28T12:00:00"', '"0001-01-01T00:00:00+01:00"'),
        has_ranges=True,
    ),
    "uuid": Type(
        python="UUID",
        column="Uuid",
        migration="sa.Uuid()",
        model="Uuid",
        sample='f"00000000-0000-4000-8000-{number:012}"',
        invalid=("1", '"x"'),
    ),
    "json": Type(
        python="Any",
        column="JSON",
        migration="sa.JSON()",
        model="Json",
        sample='{"number": number, "list": [None, 1.5, "é"]}',
        invalid=("1", '"x"', "True"),
        can_be_unique=False,
        can_have_index=False,
    ),
    "created": Type(
        python="dt.datetime",
        column="DateTime, default=utc_now",
        migration="sa.DateTime(timezone=True)",
        model="DateTime",
        sample="",
        invalid=('"2026-02-28T12:00:00Z"',),
        can_be_unique=False,
        set_by_app=True,
        has_ranges=True,
    ),
    "updated": Type(
        python="dt.datetime",
        column="DateTime, default=utc_now, onupdate=utc_now",
        migration="sa.DateTime(timezone=True)",
        model="DateTime",
        sample="",
        invalid=('"2026-02-28T12:00:00Z"',),
        can_be_unique=False,
        set_by_app=True,
        set_by_update=True,
        has_ranges=True,
    ),
}

#: Names that clash with types or with attributes of entities, models or rows.
TAKEN = {
    *("bool", "decimal", "dt", "float", "id", "int", "mapped_column", "metadata", "registry"),
    *("self", "str", "t", "tuple", "type_annotation_map", "utc_now", *dir(BaseModel)),
}
#: The types, for help texts and messages.
KNOWN = (
    f"{', '.join(TYPES)} and enum(new,paid); add ? to make a field nullable; the flags are unique "
    "and index; ref(module) is a foreign key; =value at the end is the default"
)
#: The type of a foreign key, by the type of the primary key that it refers to.
KEYS = {
    "Id64": Type(
        python="int",
        column="Id64",
        migration='sa.BigInteger().with_variant(sa.Integer(), "sqlite")',
        model="Reference64",
        sample="",
        invalid=("0", '"1"', "True", "2**63"),
    ),
    "BigInteger": Type(
        python="int",
        column="BigInteger",
        migration="sa.BigInteger()",
        model="Reference64",
        sample="",
        invalid=("0", '"1"', "True", "2**63"),
    ),
    "Integer": Type(
        python="int",
        column="Integer",
        migration="sa.Integer()",
        model="Reference",
        sample="",
        invalid=("0", '"1"', "True", "2**31"),
    ),
}


@dataclass(frozen=True)
class Reference:
    """The module that a foreign key refers to."""

    module: str
    table: str
    #: The path of its routes, as in `Names`.
    route: str
    #: The type of its primary key, as in `KEYS`.
    key: str
    #: The function that adds a row, in `tests.<module>.<module>_factory`.
    factory: str


def member_of(value: str) -> str:
    """Return the name of an enum's member: `IN_TRANSIT` for `in-transit`."""
    return value.replace("-", "_").upper()


@dataclass(frozen=True)
class Enum:
    """The values of an `enum(new,paid)`, and the class in the models that lists them."""

    name: str
    values: tuple[str, ...]

    @property
    def members(self) -> dict[str, str]:
        """The value of each member."""
        return {member_of(value): value for value in self.values}

    @property
    def type(self) -> Type:
        """The code for a field with these values."""
        return Type(
            python="str",
            column=f"String({MAX_VALUE})",
            migration=text_migration(MAX_VALUE),
            model=self.name,
            sample=f"list({self.name})[number % len({self.name})]",
            invalid=("1", '""', '"UNKNOWN"'),
            can_be_unique=False,
            read=self.read,
            # The database may still have a value that was removed from the enum.
            output=f"{self.name} | str",
        )

    def read(self, text: str) -> str:
        """Read a default."""
        if text not in self.values:
            raise ValueError(f"one of {', '.join(self.values)}")
        return text


@dataclass(frozen=True)
class Field:
    """A column of the table, and a field of the models."""

    name: str
    type: Type
    nullable: bool = False
    unique: bool = False
    index: bool = False
    reference: Reference | None = None
    enum: Enum | None = None
    default: Default | None = None

    @property
    def python(self) -> str:
        """The type in the entity."""
        return f"{self.type.python} | None" if self.nullable else self.type.python

    @property
    def column(self) -> str:
        """The arguments of `mapped_column()`."""
        arguments = [
            f'ForeignKey("{self.reference.table}.id")' if self.reference else self.type.column
        ]
        arguments += ["unique=True"] * self.unique
        return ", ".join(arguments)

    @property
    def filters(self) -> tuple[str, ...]:
        """The parameters of the list that filter by the field, if it has an index."""
        ends = ("", "_min", "_max") if self.type.has_ranges else ("",)
        return tuple(self.name + end for end in ends) if self.unique or self.index else ()

    @property
    def sorts(self) -> bool:
        """Whether the list can be in the order of the field."""
        return bool(self.filters) and not self.nullable and self.type.python != "bool"

    @property
    def read(self) -> str:
        """An expression for the function that reads a value from a response, for comparisons."""
        if self.type.python.startswith("dt."):
            return "dt.datetime.fromisoformat"
        return self.type.python if self.type.python in {"int", "float", "Decimal"} else "str"

    @property
    def model(self) -> str:
        """The type in the input models."""
        return f"{self.type.model} | None" if self.nullable else self.type.model

    @property
    def optional(self) -> Default | None:
        """The value of a field that a client may omit, or None if it may not."""
        return self.default or (Default("None", "None") if self.nullable else None)

    @property
    def output(self) -> str:
        """The type in the output model."""
        output = self.type.output or self.type.model
        return f"{output} | None" if self.nullable else output

    @property
    def sample(self) -> str:
        """An expression for a valid value, different for each `number`."""
        return self.type.sample.replace("{name}", self.name)

    @property
    def varies(self) -> bool:
        """Whether there are two valid values."""
        return not self.enum or len(self.enum.values) > 1

    @property
    def invalid(self) -> tuple[str, ...]:
        """Expressions for invalid values."""
        return self.type.invalid if self.nullable else ("None", *self.type.invalid)


def parse_fields(text: str, find_reference: Callable[[str], Reference], model: str) -> list[Field]:
    """Parse fields such as `number:str:unique customer_id:ref(customers) note:text?`.

    Args:
        text: the fields, separated by spaces or commas.
        find_reference: finds the module of a `ref`, or raises a RejectedError.
        model: the name of the model, which begins the names of enums.

    Raises:
        RejectedError: a field is invalid.
    """
    # A group in parentheses may contain commas and spaces.
    parts = re.findall(r"(?:\([^()]*\)|[^\s,])+", text)
    fields = [parse_field(each, find_reference, model) for each in parts]
    names = [field.name for field in fields]
    filters = {name: field.name for field in fields for name in field.filters}
    for name in names:
        if names.count(name) > 1:
            raise RejectedError(f"fields: {name!r} is given twice; remove one of them")
        if filters.get(name, name) != name:
            raise RejectedError(
                f"fields: {name!r} is also a parameter that filters by {filters[name]!r}; choose "
                f"another name, such as '{name}_value'"
            )
    if fields and all(field.type.set_by_app for field in fields):
        raise RejectedError(
            f"fields: the app sets {' and '.join(names)}; add a field that clients set, such as "
            "name:str"
        )
    return fields


def parse_field(text: str, find_reference: Callable[[str], Reference], model: str) -> Field:
    """Parse a field such as `placed_at:datetime?:index`. See `parse_fields`."""
    declared, equals, default = re.findall(r"((?:\([^()]*\)|[^=])*)(=?)(.*)", text, re.DOTALL)[0]
    if declared.count("(") != declared.count(")"):
        raise RejectedError(
            f"fields: {text!r} has an unpaired parenthesis; write enum(new,paid) or ref(orders)"
        )
    name, *parts = re.split(r":(?![^(]*\))", declared)
    check_name(name)
    field = parse_type(name, parts, find_reference, model)
    check_filters(field)
    return replace(field, default=parse_default(field, default)) if equals else field


def parse_type(
    name: str, parts: list[str], find_reference: Callable[[str], Reference], model: str
) -> Field:
    """Parse the type and the flags of a field. See `parse_fields`."""
    flags = [part for part in parts if part in {"unique", "index"}]
    nullable = any(part.endswith("?") for part in parts)
    field_type = reference = enum = None
    for part in parts:
        word = part.removesuffix("?")
        referred = re.fullmatch(r"ref\((.*)\)", word)
        listed = re.fullmatch(r"enum\((.*)\)", word, re.DOTALL)
        if referred and reference is None:
            reference = find_reference(referred[1])
        elif listed and field_type is None:
            enum = parse_enum(name, listed[1], model)
            field_type = enum.type
        elif word in TYPES and field_type is None:
            field_type = TYPES[word]
        elif word in {"enum", "ref"}:
            example = "enum(new,paid)" if word == "enum" else "ref(orders)"
            raise RejectedError(f"fields: {name} has {part!r}; write {example}")
        elif part not in flags:
            raise RejectedError(
                f"fields: {name} has {part!r}, which is unknown or repeated; the types are {KNOWN}"
            )
    if reference and field_type in {None, TYPES["int"]}:
        # Index foreign keys, since queries filter by them. MySQL does that anyway.
        key = KEYS[reference.key]
        return Field(name, key, nullable, "unique" in flags, "unique" not in flags, reference)
    if reference or field_type is None:
        problem = "is a ref, which can only be an int" if reference else "has no type"
        raise RejectedError(f"fields: {name} {problem}; the types are {KNOWN}")
    check_flags(name, field_type, [*flags, *["nullable"] * nullable])
    unique = "unique" in flags
    index = ("index" in flags or field_type == TYPES["created"]) and not unique
    return Field(name, field_type, nullable, unique, index, enum=enum)


def check_filters(field: Field) -> None:
    """Check that the parameters that filter by a field don't have the name of another parameter.

    Raises:
        RejectedError: they do.
    """
    if field.filters and re.fullmatch(r"sort|limit|cursor|.*_(min|max)", field.name):
        raise RejectedError(
            f"fields: {field.name!r} has an index, but lists have a parameter of this name or "
            f"ending; choose another name, such as '{field.name}_value'"
        )


def parse_default(field: Field, text: str) -> Default:
    """Parse a default, such as `new` for an `enum(new,paid)`.

    Raises:
        RejectedError: the field can't have this default.
    """
    if field.unique or not field.type.read:
        reason = "it is unique" if field.unique else "of its type"
        raise RejectedError(
            f"fields: {field.name} cannot have a default, because {reason}; remove ={text}"
        )
    try:
        value = field.type.read(text)
    except ValueError as error:
        raise RejectedError(
            f"fields: {field.name} has an invalid default {text!r}: end the field with {error}"
        ) from None
    if field.enum:
        return Default(f"{field.enum.name}.{member_of(value)}", repr(value))
    if isinstance(value, Decimal):
        return Default(f"decimal.{value!r}", repr(str(value)))
    return Default(repr(value), repr(value))


def check_flags(name: str, field_type: Type, flags: list[str]) -> None:
    """Check that a type can have the flags.

    Raises:
        RejectedError: it can't.
    """
    allowed = {
        "unique": (field_type.can_be_unique, "be unique"),
        "index": (field_type.can_have_index, "have an index"),
        "nullable": (not field_type.set_by_app, "be nullable"),
    }
    if impossible := [allowed[flag][1] for flag in flags if not allowed[flag][0]]:
        raise RejectedError(
            f"fields: {name} cannot {' or '.join(impossible)}, because of its type; remove "
            "that, or use another type, such as str"
        )


def check_name(name: str) -> None:
    """Check the name of a field.

    Raises:
        RejectedError: it is invalid or taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise RejectedError(
            f"fields: invalid name {name!r}: use lower-case letters, digits and '_', starting with "
            "a letter, such as 'placed_at'"
        )
    if name == "l":
        raise RejectedError("fields: 'l' looks like 1, so lint rejects it; choose another name")
    if (
        keyword.iskeyword(name)
        or name in TAKEN
        or name.startswith(("model_dump", "model_validate"))
    ):
        raise RejectedError(
            f"fields: {name!r} already has a meaning in Python or in a model; choose another name"
        )


def parse_enum(field: str, text: str, model: str) -> Enum:
    """Parse the values of an enum, such as `new,paid`.

    Raises:
        RejectedError: a value is invalid or repeated, or the class of the enum would have the name
            of another class.
    """
    values = tuple(value.strip() for value in text.split(","))
    if len(values) > MAX_VALUES:
        raise RejectedError(
            f"fields: {field} has {len(values)} enum values, but the limit is {MAX_VALUES}; use a "
            "module and a ref"
        )
    for value in values:
        if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", value) or len(value) > MAX_VALUE:
            raise RejectedError(
                f"fields: {field} has an invalid enum value {value!r}: use up to {MAX_VALUE} "
                "lower-case letters, digits, '-' and '_', starting with a letter"
            )
    enum = Enum(f"{model}{camel_case(field)}", values)
    if len(enum.members) < len(values):
        raise RejectedError(
            f"fields: {field} has an enum value twice, or two that differ only in '-' and '_'; "
            "remove one of them"
        )
    if hasattr(builtins, enum.name) or enum.name in SCHEMAS:
        raise RejectedError(
            f"fields: {field} would name an enum {enum.name}, which Python or the OpenAPI schema "
            "already has; choose another name"
        )
    return enum
