[% set table = cookiecutter.module_name %]
"""create [[ table ]]"""

import sqlalchemy as sa
from alembic import op

revision = "[[ cookiecutter.revision ]]"
down_revision = [[ '"' ~ cookiecutter.down_revision ~ '"' if cookiecutter.down_revision else "None" ]]
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "[[ table ]]",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
[% for field in cookiecutter.fields %]
        sa.Column("[[ field.name ]]", [[ field.type.migration ]], nullable=[[ field.nullable ]]),
[% endfor %]
[% for field in cookiecutter.fields if field.reference %]
        sa.ForeignKeyConstraint(
            ["[[ field.name ]]"],
            ["[[ field.reference.table ]].id"],
            name=op.f("fk_[[ table ]]_[[ field.name ]]_[[ field.reference.table ]]"),
        ),
[% endfor %]
        sa.PrimaryKeyConstraint("id", name=op.f("pk_[[ table ]]")),
[% for field in cookiecutter.fields if field.unique %]
        sa.UniqueConstraint("[[ field.name ]]", name=op.f("uq_[[ table ]]_[[ field.name ]]")),
[% endfor %]
    )
[% for field in cookiecutter.fields if field.index %]
    op.create_index(op.f("ix_[[ table ]]_[[ field.name ]]"), "[[ table ]]", ["[[ field.name ]]", "id"])
[% endfor %]


def downgrade() -> None:
    op.drop_table("[[ table ]]")
