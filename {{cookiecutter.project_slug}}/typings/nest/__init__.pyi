# PyNest ships no types. These stubs cover the parts that the app uses; everything else is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
