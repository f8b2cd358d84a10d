class DatabaseSettings(CoreSettings):
    """The settings of the database."""

    #: The path of the file, with or without its `.db`.
    sqlite_db_name: str = Field(default="default_nest_db", min_length=1)

    @field_validator("sqlite_db_name")
    @classmethod
    def _check_path(cls, path: str) -> str:
        # Every connection would have its own database in memory.
        if path.startswith((":memory:", "file:")) or not Path(path).absolute().parent.is_dir():
            raise ValueError("Input should be a file in a folder that exists")
        return path

    @field_validator("database_url")
    @classmethod
    def _check_url(cls, url: SecretStr) -> SecretStr:
        if given := url.get_secret_value():
            cls._check_path(driver.parse_url(given))
        return url

    @property
    def config_params(self) -> dict[str, Any]:
        """The database, for the provider."""
        if url := self.database_url.get_secret_value():
            return {"db_name": driver.parse_url(url), "suffix": ""}
        return {"db_name": self.sqlite_db_name}
