"""Once `make openapi` has written `openapi.json`, each change of the API shows in its diff."""

from scaffold import openapi


def test_openapi_file_shows_the_api() -> None:
    schema = openapi.render()
    written = openapi.FILE.read_text(encoding="utf-8") if openapi.FILE.exists() else schema

    assert written == schema, "the API has changed: run `make openapi`, and review the diff"
