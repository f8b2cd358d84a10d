from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from src.config import config


# mypy does not follow a base class through an instance.
class Example(config.Base):  # type: ignore[misc, name-defined]
    __tablename__ = "examples"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
