def _check_sqlite_path(path: str) -> str:
    # Every connection would have its own database in memory.
    if path.startswith((":memory:", "file:")) or not Path(path).absolute().parent.is_dir():
        raise PydanticCustomError("path", "Input should be a file in a folder that exists")
    return path


class DatabaseSettings(CoreSettings):
    """The settings of the database."""

    #: The path of the file, with or without its `.db`.
    sqlite_db_name: Annotated[str, Field(min_length=1), AfterValidator(_check_sqlite_path)] = (
        "default_nest_db"
    )
    #: One connection for transactions, the others for reads. More threads get less done.
    db_pool_size: int = Field(default=4, ge=1, le=1000)

    @property
    def config_params(self) -> dict[str, Any]:
        """The database, for the provider."""
        return {"db_name": self.sqlite_db_name}
