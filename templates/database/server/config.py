{% from "database/server/defaults.jinja" import port, user with context %}
"""The app's configuration: environment variables, then `.env`, then what works on a laptop."""

from pathlib import Path

from pydantic import Field, SecretStr

from src.core.database import DatabaseProvider
from src.core.settings import CoreSettings, Port


class Settings(CoreSettings):
    """The settings of this service; a field `log_level` is the variable `LOG_LEVEL`."""

    {{ cookiecutter.database }}_host: str = Field(default="localhost", min_length=1)
    {{ cookiecutter.database }}_port: Port = {{ port }}
    {{ cookiecutter.database }}_user: str = "{{ user }}"
    {{ cookiecutter.database }}_password: SecretStr = SecretStr("{{ user }}")
    {{ cookiecutter.database }}_db_name: str = Field(default="default_nest_db", min_length=1)


settings = Settings.load(Path(__file__).parent.parent / ".env")

config = DatabaseProvider(
    db_type="{{ cookiecutter.database }}",
    config_params={
        "host": settings.{{ cookiecutter.database }}_host,
        "port": settings.{{ cookiecutter.database }}_port,
        "user": settings.{{ cookiecutter.database }}_user,
        "password": settings.{{ cookiecutter.database }}_password.get_secret_value(),
        "db_name": settings.{{ cookiecutter.database }}_db_name,
    },
    engine_params=settings.engine_params,
    timeout=settings.db_timeout,
)
