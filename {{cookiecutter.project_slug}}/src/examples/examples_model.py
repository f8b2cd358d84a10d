from typing import Literal

from src.core.models import OMITTED, Id64, InputModel, OutputModel, ShortLine
from src.core.paging import ListQuery


class ExampleCreate(InputModel):
    name: ShortLine


class ExampleUpdate(InputModel):
    name: ShortLine = OMITTED


class Example(OutputModel):
    id: Id64
    name: ShortLine


class ExamplesQuery(ListQuery):
    sort: Literal["id", "-id", "name", "-name"] = "id"
    name: ShortLine = OMITTED
