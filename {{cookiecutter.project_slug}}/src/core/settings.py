"""Settings: variables of the environment or of `.env`, typed, and checked once at startup."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_origin

from dotenv import load_dotenv
from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
{% if cookiecutter.database != "sqlite" %}
    model_validator,
{% endif %}
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict
{% if cookiecutter.database != "sqlite" %}
from sqlalchemy import URL
{% endif %}

from .database import driver
from .logs import LogFormat

LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"]
{% if cookiecutter.auth == "oidc" %}
#: Signatures that only the issuer can make. An HMAC key would also let this service sign tokens.
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
{% endif %}
#: Seconds to wait.
Timeout = Annotated[float, Field(gt=0, le=300)]
#: A browser's form of an origin: lower case, and no port if it is the scheme's own.
ORIGIN = re.compile(
    r"(?!http://.*:80$|https://.*:443$)[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?"
)


def check_origins(origins: list[str]) -> list[str]:
    """Reject an origin that no browser sends, because it would never match."""
    if origins != ["*"] and not all(map(ORIGIN.fullmatch, origins)):
        form = "such as https://shop.example or http://localhost:3000, or only *"
        raise ValueError(f"each must be an origin in lower case without a path, {form}")
    return origins


class CoreSettings(BaseSettings):
    """The settings of every service.

    The field `log_level` is read from the variable `LOG_LEVEL`. In a test, give it as an
    argument: `Settings(log_level="DEBUG")`.
    """

    # Lists are read below, not by pydantic: as JSON, or separated by commas.
    model_config = SettingsConfigDict(
        enable_decoding=False, extra="ignore", frozen=True, populate_by_name=True
    )

    #: Development: `python main.py` restarts when the code changes.
    app_debug: bool = False
    #: Serve the docs page at `/docs`, and the OpenAPI schema at `/openapi.json`.
    api_docs: bool = True
    log_level: Annotated[LogLevel, BeforeValidator(str.upper)] = "INFO"
    #: One JSON object a line, text for people, or text on a terminal and JSON elsewhere.
    log_format: Annotated[LogFormat, BeforeValidator(str.lower)] = "auto"

{% if cookiecutter.auth == "oidc" %}
    #: The OpenID Connect issuer of the tokens: exactly the text of their claim `iss`.
    auth_issuer: str = Field(default="", validate_default=True)
    #: The name of this service at the issuer: a token's claim `aud` must contain it.
    auth_audience: str = Field(default="", validate_default=True)
    #: The issuer's JWK Set. If it is empty, discovery finds it.
    auth_jwks_url: str = ""
    #: The accepted algorithms of signatures.
    auth_algorithms: list[Algorithm] = Field(default=["RS256", "ES256"], min_length=1)
    #: Seconds by which the issuer's clock may differ.
    auth_leeway: float = Field(default=30, ge=0, le=300)
    #: The claim that has the scopes: text with spaces between them, or a list.
    auth_scope_claim: str = "scope"
    #: Log the token's subject with each log entry of a request.
    auth_log_subject: bool = False
    #: The routes that need no token: a path, or a method and a path, such as `GET /products`.
    public_routes: list[str] = ["/health/live", "/health/ready"]
    #: Show the docs page and the OpenAPI schema without a token.
    public_docs: bool = False

{% endif %}
    #: Seconds until the response must begin; the client gets 503 after that.
    request_timeout: float = Field(default=30, gt=0, le=3600)
    #: Origins of the websites that may call the API from a browser, or only `*` for all.
    cors_origins: Annotated[list[str], AfterValidator(check_origins)] = []
    #: Bytes of the largest body of a request; a larger one is rejected with 413.
    max_body_bytes: int = Field(default=1024 * 1024, ge=0)

    #: The database, percent-encoded: the single variables count only without it.
    database_url: SecretStr = SecretStr("")
    #: Run the migrations at startup if the database is empty.
    db_create_all: bool = True
    #: Log every SQL statement, with its parameters.
    db_echo: bool = False
    #: Connections of each worker process, split between transactions and reads.
    db_pool_size: int = Field(default=10, ge=1, le=1000)
    #: Connections opened above the pool size, and closed after use.
    db_max_overflow: int = Field(default=0, ge=0, le=1000)
    #: Seconds to wait for the server to accept a connection.
    db_connect_timeout: Timeout = Field(
        default=5, validation_alias=AliasChoices("DB_CONNECT_TIMEOUT", "DB_TIMEOUT")
    )
    #: Seconds a statement waits for a lock; migrations wait without a limit.
    db_lock_timeout: Timeout = Field(
        default=5, validation_alias=AliasChoices("DB_LOCK_TIMEOUT", "DB_TIMEOUT")
    )
    #: Seconds a request waits for a free connection.
    db_pool_timeout: Timeout = 5
    #: Seconds after which a connection is replaced; -1 for never.
    db_pool_recycle: int = Field(default=1800, ge=-1)
    #: Test a pooled connection before use if it was idle for half a second.
    db_pool_pre_ping: bool = True

    #: Seconds that `/health/ready` waits for the database.
    health_timeout: float = Field(default=2, gt=0, le=60)
    #: Seconds to go on serving after SIGTERM, while `/health/ready` says 503.
    shutdown_delay: float = Field(default=0, ge=0, le=3600)

    @property
    def engine_params(self) -> dict[str, Any]:
        """Arguments for `create_async_engine`.

        Parameters of statements may be personal data, so they are only logged with `db_echo`.
        """
        names = ("pool_size", "max_overflow", "pool_timeout", "pool_recycle", "pool_pre_ping")
        params = {name: getattr(self, f"db_{name}") for name in names}
        return params | {"hide_parameters": not self.db_echo}

    @field_validator("*", mode="before")
    @classmethod
    def _read_list(cls, value: Any, info: ValidationInfo) -> Any:
        """Read a variable such as `a,b` or `["a", "b"]`, if the field is a list or a mapping."""
        kind = get_origin(cls.model_fields[str(info.field_name)].annotation)
        if not isinstance(value, str) or kind not in {list, set, tuple, frozenset, dict}:
            return value
        if value.lstrip().startswith(("[", "{")):
            return json.loads(value)
        return [part.strip() for part in value.split(",") if part.strip()]

{% if cookiecutter.auth == "oidc" %}
    @field_validator("auth_issuer", "auth_audience", "auth_jwks_url", "auth_scope_claim")
    @classmethod
    def _check_issuer(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip()
        if not value and info.field_name != "auth_jwks_url":
            raise ValueError("is missing; see docs/authentication.md")
        is_trusted = re.match("https://[^/?#]", value) or info.data.get("app_debug")
        if value and not is_trusted and info.field_name in {"auth_issuer", "auth_jwks_url"}:
            raise ValueError("must begin with https:// and a host")
        return value

{% endif %}
    @classmethod
    def load(cls, env_file: Path | None = None) -> Self:
        """Read the settings from the environment, and missing ones from a file.

        Args:
            env_file: lines such as `LOG_LEVEL=DEBUG`, in UTF-8; it may be missing.

        Raises:
            SystemExit: a variable is malformed, or the file isn't UTF-8. The message has one line
                for each variable, with its name, and never shows a secret.
        """
        if env_file:
            try:
                # Not pydantic-settings: it expands `${...}`, and hides the file from libraries.
                load_dotenv(env_file, encoding="utf-8-sig", interpolate=False)
            except UnicodeDecodeError:
                sys.exit(f"{env_file}: not text in UTF-8; save it as UTF-8")
        try:
            return cls()
        except ValidationError as error:
            sys.exit("\n".join(map(cls._explain, error.errors())))

    @classmethod
    def _explain(cls, problem: ErrorDetails) -> str:
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            return message
        variable = str(problem["loc"][0]).upper()
        # The field's text includes its type, such as SecretStr.
        is_hidden = "Secret" in str(cls.model_fields.get(variable.lower()))
        given = os.environ.get(variable)
        shown = "" if is_hidden or given is None else f", not {given!r}"
        return f"{variable}: {message}{shown}"


{% include "database/" ~ ("sqlite" if cookiecutter.database == "sqlite" else "server") ~ "/settings.py" %}
