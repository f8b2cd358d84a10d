{% from "database/server/defaults.jinja" import port, user with context %}
{% set db = cookiecutter.database %}
class DatabaseSettings(CoreSettings):
    """The settings of the database."""

    {{ db }}_host: str = Field(default="localhost", min_length=1)
    {{ db }}_port: int = Field(default={{ port }}, ge=1, le=65535)
    {{ db }}_user: str = "{{ user }}"
    {{ db }}_password: SecretStr = SecretStr("{{ user }}")
    {{ db }}_db_name: str = Field(default="default_nest_db", min_length=1)

    @property
    def config_params(self) -> dict[str, Any]:
        """The server and the database, for the provider."""
        return {
            "host": self.{{ db }}_host,
            "port": self.{{ db }}_port,
            "user": self.{{ db }}_user,
            "password": self.{{ db }}_password.get_secret_value(),
            "db_name": self.{{ db }}_db_name,
        }
