from typing import Annotated

from pydantic import Field

from src.core.models import OMITTED, Id, InputModel, OutputModel, Text

Name = Annotated[Text, Field(max_length=100)]


class ExampleCreate(InputModel):
    name: Name


class ExampleUpdate(InputModel):
    name: Name = OMITTED


class Example(OutputModel):
    id: Id
    name: Name
