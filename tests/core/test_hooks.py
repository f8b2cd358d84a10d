"""A serving process leaves SQLAlchemy's own types alone."""

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


def test_serving_process_changes_no_type_of_sqlalchemy() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[2], check=True)
