{% from "text.jinja" import python %}
from nest.core import Injectable
from pydantic import BaseModel


class AppInfo(BaseModel):
    """What the service says of itself."""

    app_name: str
    app_version: str


APP_INFO = AppInfo(
    app_name={{ python(cookiecutter.project_name) }},
    app_version="0.1.0",
)


@Injectable
class AppService:
    def __init__(self) -> None:
        self.app_info = APP_INFO

    async def get_app_info(self) -> AppInfo:
        return self.app_info
