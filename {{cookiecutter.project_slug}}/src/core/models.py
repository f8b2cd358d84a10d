"""What the models of all modules share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from .paging import DIGITS, MAX_INTEGER

#: A row's key.
Id = Annotated[int, Field(ge=1, le=MAX_INTEGER), DIGITS]

#: Text as every database stores it: PostgreSQL takes no NUL, and MySQL ignores blanks at the
#: end when it compares. Bound its length: `Annotated[Text, Field(max_length=100)]`.
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        # The document has to say that blanks alone are too short.
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
    ),
]

#: The default of a field that a PATCH may leave out; `model_dump(exclude_unset=True)` has
#: only those that were given.
OMITTED: Any = Field(default_factory=lambda: None)


class InputModel(BaseModel):
    """A body that a client sends; a field it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class OutputModel(BaseModel):
    """A body that the app sends, made from an entity by `model_validate`."""

    model_config = ConfigDict(from_attributes=True)
