# Types of the parts of PyNest that the app uses; PyNest ships none. All else is Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
