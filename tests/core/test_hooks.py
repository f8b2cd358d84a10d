"""The app doesn't change SQLAlchemy's own types."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import src.app_module
from sqlalchemy import JSON, DateTime, Uuid
from sqlalchemy.dialects import mysql

dialect = mysql.dialect()
assert DateTime().compile(dialect) == "DATETIME", DateTime().compile(dialect)
assert JSON().compile(dialect) == "JSON", JSON().compile(dialect)
"""


def test_app_does_not_change_sqlalchemy_types() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[2], check=True)
