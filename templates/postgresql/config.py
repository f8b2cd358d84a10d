"""The app's configuration: environment variables, then `.env`, then what works on a laptop."""

from pathlib import Path

from dotenv import load_dotenv
from pydantic import Field, SecretStr

from src.core.database import DatabaseProvider
from src.core.settings import CoreSettings, Port

load_dotenv(Path(__file__).parent.parent / ".env", encoding="utf-8-sig")


class Settings(CoreSettings):
    """The settings of this service; a field `log_level` is the variable `LOG_LEVEL`."""

    postgresql_host: str = Field(default="localhost", min_length=1)
    postgresql_port: Port = 5432
    postgresql_user: str = "postgres"
    postgresql_password: SecretStr = SecretStr("postgres")
    postgresql_db_name: str = Field(default="default_nest_db", min_length=1)


settings = Settings.load()

config = DatabaseProvider(
    db_type="postgresql",
    config_params={
        "host": settings.postgresql_host,
        "port": settings.postgresql_port,
        "user": settings.postgresql_user,
        "password": settings.postgresql_password.get_secret_value(),
        "db_name": settings.postgresql_db_name,
    },
    engine_params=settings.engine_params,
)
