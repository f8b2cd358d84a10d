"""Settings: variables of the environment or of `.env`, typed and validated once, at start."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import load_dotenv
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from .logs import LogFormat

Port = Annotated[int, Field(ge=1, le=65535)]


def _check_sqlite_path(path: str) -> str:
    if path.startswith((":memory:", "file:")):
        raise PydanticCustomError("path", "Input should be a file: every connection shares it")
    if not Path(path).absolute().parent.is_dir():
        raise PydanticCustomError("path", "Input should be a file in a folder that exists")
    return path


#: Where an SQLite database lies, with or without its `.db`.
SqlitePath = Annotated[str, Field(min_length=1), AfterValidator(_check_sqlite_path)]


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class CoreSettings(BaseModel):
    """What every service can be told through its environment.

    A field `log_level` is read from the variable `LOG_LEVEL`. A subclass adds the fields
    of its own service.
    """

    model_config = ConfigDict(alias_generator=str.upper, extra="ignore", frozen=True)

    #: Development: `python main.py` starts again when the code changes.
    app_debug: bool = False
    log_level: Annotated[
        Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"], BeforeValidator(_upper)
    ] = "INFO"
    #: Lines of JSON, text for people, or text on a terminal and JSON elsewhere.
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = "auto"

    #: Seconds the app may take to begin its response; after that, the client is told 503.
    request_timeout: float = Field(default=30, gt=0, le=3600)
    #: The largest body of a request; beyond, it is 413.
    max_body_bytes: int = Field(default=1024 * 1024, ge=0)

    #: Make the tables at start where the database is empty.
    db_create_all: bool = True
    #: Log every SQL statement.
    db_echo: bool = False
    #: Connections kept open, for each worker process.
    db_pool_size: int = Field(default=10, ge=1, le=1000)
    #: Connections opened above the pool size, and closed after use.
    db_max_overflow: int = Field(default=0, ge=0, le=1000)
    #: Seconds to wait for the server to take a connection, and on MySQL for a lock; on SQLite,
    #: for others to write.
    db_timeout: float = Field(default=5, gt=0, le=300)
    #: Seconds a request waits for a free connection.
    db_pool_timeout: float = Field(default=5, gt=0, le=300)
    #: Seconds after which a connection is replaced; -1 for never.
    db_pool_recycle: int = Field(default=1800, ge=-1)
    #: Test a pooled connection before it is used, where it was idle for half a second.
    db_pool_pre_ping: bool = True

    #: Seconds in which the database must answer for `/health/ready` to be well.
    health_timeout: float = Field(default=2, gt=0, le=60)

    @property
    def engine_params(self) -> dict[str, Any]:
        """The engine's and the pool's settings, as `create_async_engine` takes them.

        The values of a statement are personal data, as like as not: they are logged with
        `db_echo` alone, and else not even with an error.
        """
        return {
            "hide_parameters": not self.db_echo,
            "pool_size": self.db_pool_size,
            "max_overflow": self.db_max_overflow,
            "pool_timeout": self.db_pool_timeout,
            "pool_recycle": self.db_pool_recycle,
            "pool_pre_ping": self.db_pool_pre_ping,
        }

    @classmethod
    def load(cls, env_file: Path | None = None) -> Self:
        """Read the settings from the environment, and from a file what the environment lacks.

        Args:
            env_file: lines like `LOG_LEVEL=DEBUG`, in UTF-8; it need not exist.

        Raises:
            SystemExit: a variable is malformed; the message has one line for each, with the
                variable's name, and never shows a secret's value. Or the file is not UTF-8.
        """
        if env_file:
            try:
                load_dotenv(env_file, encoding="utf-8-sig", interpolate=False)
            except UnicodeDecodeError:
                sys.exit(f"{env_file}: is not text in UTF-8; save it as such")
        try:
            return cls.model_validate(dict(os.environ))
        except ValidationError as error:
            sys.exit("\n".join(cls._explain(problem) for problem in error.errors()))

    @classmethod
    def _explain(cls, problem: ErrorDetails) -> str:
        if not problem["loc"]:
            return problem["msg"]
        variable = str(problem["loc"][0])
        secret = any(
            field.alias == variable and "Secret" in str(field.annotation)
            for field in cls.model_fields.values()
        )
        given = os.environ.get(variable)
        shown = "" if secret or given is None else f", not {given!r}"
        return f"{variable}: {problem['msg']}{shown}"
