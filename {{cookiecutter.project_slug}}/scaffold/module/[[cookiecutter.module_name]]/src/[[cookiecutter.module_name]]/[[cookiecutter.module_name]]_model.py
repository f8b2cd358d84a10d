from src.core.models import (
    OMITTED,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Decimal,
    Double,
    Id64,
    InputModel,
    Integer,
    Json,
    LongText,
    OutputModel,
    Reference,
    Reference64,
    ShortText,
    Uuid
)


class [[ cookiecutter.singular_class ]]Create(InputModel):
[% for field in cookiecutter.fields %]
    [[ field.name ]]: [[ field.model ]][[ " = None" if field.nullable ]]
[% endfor %]


class [[ cookiecutter.singular_class ]]Update(InputModel):
[% for field in cookiecutter.fields %]
    [[ field.name ]]: [[ field.model ]] = OMITTED
[% endfor %]


class [[ cookiecutter.singular_class ]](OutputModel):
    id: Id64
[% for field in cookiecutter.fields %]
    [[ field.name ]]: [[ field.model ]]
[% endfor %]
