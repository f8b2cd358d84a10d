"""The app's configuration: environment variables, then `.env`, then defaults for a laptop."""

from pathlib import Path

from src.core.database import DatabaseProvider
from src.core.logs import configure_logging
from src.core.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """The settings of this service: add a field `shop_name`, and set the variable `SHOP_NAME`."""


settings = Settings.load(Path(__file__).parent.parent / ".env")
configure_logging(settings.log_level, settings.log_format)

config = DatabaseProvider(
    db_type="{{ cookiecutter.database }}",
    config_params=settings.config_params,
    # Add any argument of create_async_engine: settings.engine_params | {"connect_args": {...}}
    engine_params=settings.engine_params,
    connect_timeout=settings.db_connect_timeout,
    lock_timeout=settings.db_lock_timeout,
)
