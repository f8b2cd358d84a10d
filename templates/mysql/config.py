"""The app's configuration: environment variables, then `.env`, then what works on a laptop."""

from pathlib import Path

from dotenv import load_dotenv
from pydantic import Field, SecretStr

from src.core.database import DatabaseProvider
from src.core.settings import CoreSettings, Port

load_dotenv(Path(__file__).parent.parent / ".env", encoding="utf-8-sig")


class Settings(CoreSettings):
    """The settings of this service; a field `log_level` is the variable `LOG_LEVEL`."""

    mysql_host: str = Field(default="localhost", min_length=1)
    mysql_port: Port = 3306
    mysql_user: str = "root"
    mysql_password: SecretStr = SecretStr("root")
    mysql_db_name: str = Field(default="default_nest_db", min_length=1)


settings = Settings.load()

config = DatabaseProvider(
    db_type="mysql",
    config_params={
        "host": settings.mysql_host,
        "port": settings.mysql_port,
        "user": settings.mysql_user,
        "password": settings.mysql_password.get_secret_value(),
        "db_name": settings.mysql_db_name,
    },
    engine_params=settings.engine_params,
)
