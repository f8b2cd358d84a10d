"""The service.

Every entity is imported before anything else, so that each can refer to any other one, and a
module can build its statements when it is imported.
"""

from importlib import import_module
from pathlib import Path

for entity in sorted(Path(__file__).parent.glob("*/*_entity.py")):
    import_module(f"{__name__}.{entity.parent.name}.{entity.stem}")
