{% from "database/server/defaults.jinja" import port, user with context %}
{% set db = cookiecutter.database %}
class DatabaseSettings(CoreSettings):
    """The settings of the database."""

    {{ db }}_host: str = Field(default="localhost", min_length=1)
    {{ db }}_port: int = Field(default={{ port }}, ge=1, le=65535)
    {{ db }}_user: str = "{{ user }}"
    {{ db }}_password: SecretStr = SecretStr("{{ user }}")
    {{ db }}_db_name: str = Field(default="default_nest_db", min_length=1)

    #: The address of a replica, for `config.reader` alone.
    db_read_url: SecretStr = SecretStr("")
    #: The address for migrations, around a transaction pooler.
    db_migration_url: SecretStr = SecretStr("")
    #: A pooler such as PgBouncer lends a connection to the server for one transaction.
    db_transaction_pooler: bool = False

    #: TLS: {{ "disable, prefer," if db == "postgresql" else "disable," }} require, verify-ca or verify-full.
    db_sslmode: str = ""
    #: The file of the authorities to trust; the system's if there is none.
    db_sslrootcert: str = ""
    #: The files of the client's own certificate and of its key.
    db_sslcert: str = ""
    db_sslkey: str = ""

    #: Seconds a statement may take, but for those of migrations; 0 for no limit.
    db_statement_timeout: float = Field(default=0, ge=0, le=3600)
{% if db == "postgresql" %}
    #: The name of the service's connections in `pg_stat_activity`.
    db_application_name: str = ""
{% endif %}

    @field_validator("database_url", "db_read_url", "db_migration_url")
    @classmethod
    def _check_url(cls, url: SecretStr) -> SecretStr:
        if text := url.get_secret_value():
            driver.parse_url(text)
        return url

    @model_validator(mode="after")
    def _check_connections(self) -> Self:
        if self.db_transaction_pooler and self.db_statement_timeout:
            raise ValueError("DB_STATEMENT_TIMEOUT: with a pooler, set it for the database's user")
        for url in self._make_urls():
            driver.make_connect_args(url, self.db_connect_timeout, None)
        return self

    def _make_urls(self) -> list[URL]:
        """Make the URLs of the database, for reads, and for migrations."""
        url = driver.make_url(
            self.{{ db }}_db_name,
            self.{{ db }}_user,
            self.{{ db }}_password.get_secret_value(),
            self.{{ db }}_host,
            self.{{ db }}_port,
        )
        if text := self.database_url.get_secret_value():
            url = driver.parse_url(text)
        given = [each.get_secret_value() for each in (self.db_read_url, self.db_migration_url)]
        urls = [url, *(driver.parse_url(text) if text else url for text in given)]
        tls = {name: getattr(self, f"db_{name}") for name in driver.TLS}
        tls = {name: value for name, value in tls.items() if value}
        return [url.update_query_dict(tls) for url in urls]

    @property
    def config_params(self) -> dict[str, Any]:
        """The servers and the database, for the provider."""
        url, read_url, migration_url = self._make_urls()
        return {
            "host": url.host,
            "port": url.port,
            "user": url.username,
            "password": url.password,
            "db_name": url.database,
            "query": url.query,
            "read_url": read_url,
            "migration_url": migration_url,
            "options": {
                "statement_timeout": self.db_statement_timeout,
                "transaction_pooler": self.db_transaction_pooler,
{% if db == "postgresql" %}
                "application_name": self.db_application_name,
{% endif %}
            },
        }
