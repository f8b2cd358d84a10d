from src.core.models import OMITTED, Id64, InputModel, OutputModel, ShortText


class ExampleCreate(InputModel):
    name: ShortText


class ExampleUpdate(InputModel):
    name: ShortText = OMITTED


class Example(OutputModel):
    id: Id64
    name: ShortText
