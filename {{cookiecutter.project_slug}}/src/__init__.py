"""The service.

Importing this package imports every entity first. SQLAlchemy can then resolve relationships between
modules, and each module can build its statements at import time.
"""

from importlib import import_module
from pathlib import Path

for entity in sorted(Path(__file__).parent.glob("*/*_entity.py")):
    import_module(f"{__name__}.{entity.parent.name}.{entity.stem}")
