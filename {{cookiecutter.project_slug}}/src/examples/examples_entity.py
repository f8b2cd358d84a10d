from sqlalchemy.orm import Mapped, mapped_column

from src.core.columns import Id64, String
from src.core.database import Base


class Example(Base):
    __tablename__ = "examples"

    id: Mapped[int] = mapped_column(Id64, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
