"""The app's configuration: environment variables, then `.env`, then what works on a laptop."""

from pathlib import Path

from pydantic import Field

from src.core.database import DatabaseProvider
from src.core.settings import CoreSettings, SqlitePath


class Settings(CoreSettings):
    """The settings of this service; a field `log_level` is the variable `LOG_LEVEL`."""

    sqlite_db_name: SqlitePath = "default_nest_db"
    #: Each connection is a thread, and only one of these runs at a time: few get more done.
    db_pool_size: int = Field(default=3, ge=1, le=1000)


settings = Settings.load(Path(__file__).parent.parent / ".env")

config = DatabaseProvider(
    db_type="sqlite",
    config_params={"db_name": settings.sqlite_db_name},
    engine_params=settings.engine_params,
    timeout=settings.db_timeout,
)
