{% from "text.jinja" import python %}
import tomllib
from pathlib import Path

from nest.core import Injectable
from pydantic import BaseModel

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


class AppInfo(BaseModel):
    """The name and version of the service."""

    app_name: str
    app_version: str


APP_INFO = AppInfo(
    app_name={{ python(cookiecutter.project_name) }},
    app_version=tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"],
)


@Injectable
class AppService:
    def __init__(self) -> None:
        self.app_info = APP_INFO

    async def get_app_info(self) -> AppInfo:
        return self.app_info
