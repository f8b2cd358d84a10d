"""The site: its links, its gallery, and its pages in a real browser."""

from __future__ import annotations

import contextlib
import functools
import posixpath
import re
import runpy
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Request, Response, expect
from playwright.sync_api import Page as OpenPage

from tools import browser as browsers
from tools.site import guide
from tools.site.gallery import Gallery, address
from tools.site.projects import COMBINED, choices, read, rendered_answers
from tools.site.publish import publish
from tools.site.sources import PICTURES, Page, SourceError, Sources, find_tests
from tools.template import DATABASES, SESSION_STYLES, TEMPLATE, run

from .conftest import Render
from .helpers.promises import read_promises
from .helpers.repositories import commit, identify
from .helpers.serving import report_missing

pytestmark = [pytest.mark.matrix, pytest.mark.xdist_group("site")]

#: Milliseconds, on a machine that has other work.
expect.set_options(timeout=20_000)

DESKTOP, PHONE = 1280, 390
HEIGHT = 900
#: The pixels that a reader can scroll sideways.
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
#: The releases that have a site.
VERSIONS = ("0.6.0", "0.5.0")
#: A page of each kind.
KINDS = [
    "index.html",
    "options.html",
    "how-it-works.html",
    "how-to/errors.html",
    "gallery/index.html",
    "gallery/sqlite-controller/index.html",
    "gallery/sqlite-controller/src/config.py.html",
    "gallery/differences/shop-02-changes.html",
    "search.html?q=cursor",
]
#: The attributes that make a browser load a file.
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@dataclass
class Document(HTMLParser):
    """A parsed page."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    text: str = ""
    #: The text without code.
    prose: str = ""
    _codes: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._codes += tag in {"code", "pre"}
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in LOADING and values.get("rel") not in {"canonical", "next", "prev", "search"}:
            self.loaded.append(values.get(LOADING[tag], ""))

    def handle_endtag(self, tag: str) -> None:
        self._codes -= tag in {"code", "pre"}

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self._codes:
            self.prose += data


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a repository with two steps of a worked example."""
    repository = tmp_path_factory.mktemp("shop")
    run("git init --quiet", repository)
    for number, text in enumerate(["price = 1\n", "price = 2\ncurrency = 'EUR'\n"], 1):
        (repository / "main.py").write_text(text, encoding="utf-8")
        commit(repository, f"Step {number}")
        (repository / "app.py").write_text("app = None\n", encoding="utf-8")
    return repository


@pytest.fixture(scope="module")
def site(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site. A warning fails it."""
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, "-m", "tools.site", str(folder), "--shop", str(shop)]
    assert run([*command, "--releases", " ".join(VERSIONS)], TEMPLATE) == ""
    return folder


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[str, Document]:
    """Parse all pages."""
    parsed = {}
    for path in set(site.rglob("*.html")) - set(site.glob("_static/*")):
        document = Document()
        document.feed(path.read_text(encoding="utf-8"))
        parsed[path.relative_to(site).as_posix()] = document
    return parsed


@pytest.fixture(scope="module")
def origin(site: Path) -> Iterator[str]:
    """Serve the site."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Suppress the access log."""

    handler = functools.partial(Handler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{browsers.HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start a browser; without one, fail in CI and skip elsewhere."""
    try:
        browsers.find()
    except browsers.BrowserError as error:
        report_missing(str(error))
    with browsers.open_browser() as browser:
        yield browser


@contextlib.contextmanager
def opened(
    browser: Browser, origin: str, width: int, scheme: str = "light", *, scripts: bool = True
) -> Iterator[OpenPage]:
    """Open an empty page; fail if it reports a problem or requests another host."""
    problems: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
    )
    page = context.new_page()

    def check_request(request: Request) -> None:
        if not request.url.startswith(origin):
            problems.append(request.url)

    def check_response(response: Response) -> None:
        if response.status >= 400:
            problems.append(f"{response.status} {response.url}")

    def check_message(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"{page.url}: {message.text}")

    page.on("request", check_request)
    page.on("response", check_response)
    page.on("console", check_message)
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    yield page
    context.close()
    assert problems == []


# Links and files


def test_site_links_resolve(site: Path, documents: dict[str, Document]) -> None:
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    # `publish` adds the releases.
    files |= {f"{version}/{name}.html" for version in VERSIONS for name in ("index", "changes")}

    broken = []
    for name, document in documents.items():
        for link in {*document.links, *document.loaded}:
            url = urlsplit(link)
            if url.scheme:
                continue
            target = (
                posixpath.join(posixpath.dirname(name), unquote(url.path)) if url.path else name
            )
            target = posixpath.normpath(target)
            anchors = documents[target].ids if target in documents else set()
            if target not in files or (url.fragment and unquote(url.fragment) not in anchors):
                broken.append(f"{name}: {link}")

    assert broken == []


def test_site_loads_only_its_own_files(site: Path, documents: dict[str, Document]) -> None:
    loaded = {link for document in documents.values() for link in document.loaded}
    imported = {
        address
        for path in site.rglob("*.css")
        for address in re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", path.read_text("utf-8"))
    }

    assert len(loaded) > 10
    assert not [link for link in loaded | imported if re.match(r"(https?:)?//", link)]


def test_links_to_repository_exist(documents: dict[str, Document]) -> None:
    prefix = "https://github.com/org/pynest-async/"
    links = {link for document in documents.values() for link in document.links}
    paths = {
        unquote(link.removeprefix(prefix)).partition("#")[0]
        for link in links
        if link.startswith((f"{prefix}blob/", f"{prefix}tree/"))
    }

    assert len(paths) > 20
    for path in paths:
        assert (TEMPLATE / path.split("/", 2)[2]).exists(), path


def test_upload_leaves_no_page_out(site: Path) -> None:
    """The upload to GitHub Pages leaves out names that begin with a dot."""
    pages = [path.relative_to(site) for path in site.rglob("*.html")]

    assert not [path for path in pages if any(part.startswith(".") for part in path.parts)]


# Texts


def test_guarantees_link_to_their_tests(documents: dict[str, Document]) -> None:
    page = documents["guarantees.html"]
    promises = read_promises(TEMPLATE / "CONTRIBUTING.md")
    places = find_tests()

    assert len(promises) > 50
    for promise in promises:
        words = re.sub(r"[`*]", "", promise.text)
        assert words[1:] in page.text
        for test in promise.tests:
            path, line = places[test]
            code = (TEMPLATE / path).read_text(encoding="utf-8").splitlines()
            assert f"def {test}(" in code[line - 1]
            assert [link for link in page.links if unquote(link).endswith(f"{path}#L{line}")]


def test_site_has_all_texts(documents: dict[str, Document], render: Render) -> None:
    project = render(**dict(list(rendered_answers())[-1][2]))
    names = {f"how-to/{path.stem}.html" for path in project.glob("docs/*.md")}
    names = names - {"how-to/README.html"} | {"how-to/index.html", "how-to/readme.html"}
    names |= {f"{path.stem}.html" for path in TEMPLATE.glob("docs/*.md")} - {"README.html"}
    names |= {f"shop/{path.stem}.html" for path in TEMPLATE.glob("docs/shop/*.md")}

    assert names <= set(documents)
    # A link without an address would stay as it is written.
    assert not [name for name in names | {"index.html"} if "][" in documents[name].prose]
    for section in re.findall(
        r"^## \[([\d.]+)\]", (TEMPLATE / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    ):
        assert f"[{section}]" in documents["changes.html"].text
    assert all(version in documents["versions.html"].text for version in VERSIONS)


def test_each_picture_is_of_a_drawing(site: Path) -> None:
    drawings = {path.name for path in site.glob("_images/drawing-*")}

    assert drawings == {path.name for path in PICTURES.glob("drawing-*")}, "run `make pictures`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a](lists.md)", "broken link 'lists.md' in docs/a.md: use the path of an existing file"),
        ("```mermaid\na --> b\n```", "no picture of a drawing in docs/a.md: run `make pictures`"),
    ],
    ids=["link", "drawing"],
)
def test_mistake_in_a_page_is_named(text: str, message: str, rendered: Path) -> None:
    gallery = Gallery([], [], [], [], str)
    page = Page("a", "docs/a.md")

    with pytest.raises(SourceError, match=f"^{re.escape(message)}$"):
        Sources(rendered, "", [], gallery).relink(text, page)


# The gallery


def test_gallery_has_each_choice() -> None:
    answers = [given for _, _, given in rendered_answers()]

    for database in DATABASES:
        for style in SESSION_STYLES:
            assert {"database": database, "session_style": style} in answers
    for name, values in choices().items():
        if name not in COMBINED:
            for value in values[1:]:
                assert any(given.get(name) == value for given in answers)


@pytest.mark.parametrize("name", [name for name, _, _ in rendered_answers()])
def test_gallery_shows_each_file(
    name: str, site: Path, documents: dict[str, Document], render: Render
) -> None:
    [answers] = [given for each, _, given in rendered_answers() if each == name]
    links = documents[f"gallery/{name}/index.html"].links
    pages = [resolve(name, link) for link in links if not urlsplit(link).scheme]

    for path, text in read(render(**answers)).items():
        if path == ".cruft.json":
            continue  # A hook writes this record of the template.
        [page] = [each for each in pages if each.partition("/")[2] == address(path)]
        assert shown(site / "gallery" / f"{page}.html") == text
        about = f"../{guide.find_page(path)}.html"
        assert [each for each in documents[f"gallery/{page}.html"].links if each.endswith(about)]


def resolve(name: str, link: str) -> str:
    """Return the path in the gallery to which a link of a project's page leads."""
    path = posixpath.normpath(posixpath.join(name, unquote(link)))
    return path.removesuffix(".html")


@functools.cache
def shown(page: Path) -> str:
    """Return the text of the file that a page of the gallery shows."""
    listing = page.read_text(encoding="utf-8").partition("<pre>")[2].partition("</pre>")[0]
    listing = re.sub(r'<a href="#L\d+" tabindex="-1">\d+</a>', "", listing)
    return text_of(listing)


def text_of(html: str) -> str:
    return unescape(re.sub("<[^>]*>", "", html))


def test_files_of_shop_have_pages(documents: dict[str, Document]) -> None:
    pages = [path.read_text(encoding="utf-8") for path in TEMPLATE.glob("docs/shop/*.md")]
    # The line above a block of code names its file.
    paths = {path for page in pages for path in re.findall(r"^`(\S+\.py)`$", page, re.MULTILINE)}

    assert len(paths) > 10
    assert {f"{guide.find_page(path)}.html" for path in paths} <= set(documents)


def test_comparison_shows_each_change(documents: dict[str, Document], site: Path) -> None:
    name = "gallery/differences/shop-02-changes.html"
    html = (site / name).read_text(encoding="utf-8")
    rows = re.findall(r'<div class="(\w+)"[^>]*><i>(\d+[-+ ])</i><code>(.*?)</code>', html)

    assert [(kind, number, text_of(code)) for kind, number, code in rows] == [
        ("new", "1+", "app = None"),
        ("old", "1-", "price = 1"),
        ("new", "1+", "price = 2"),
        ("new", "2+", "currency = 'EUR'"),
    ]
    assert "gallery/shop-01/main.py.html" in documents


# In a browser


def test_pages_work_in_browser(
    browser: Browser, origin: str, documents: dict[str, Document]
) -> None:
    """Load each page for a phone in the dark, and then show it on a desktop in the light."""
    # The gallery has many pages of each kind.
    names = {name for name in documents if not name.startswith("gallery/")} - {"changelog.html"}
    names |= {*KINDS, "gallery/differences/session_style-controller-service.html"}
    with opened(browser, origin, PHONE, "dark") as page:
        for name in sorted(names):
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size({"width": PHONE, "height": HEIGHT})
            page.goto(f"{origin}/{name}")
            assert page.title()
            assert page.evaluate(OVERFLOW) <= 0, f"{name} scrolls sideways on a phone"
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": DESKTOP, "height": HEIGHT})
            assert page.evaluate(OVERFLOW) <= 0, f"{name} scrolls sideways on a desktop"


@pytest.mark.parametrize(("width", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])
def test_pages_are_accessible(width: int, scheme: str, browser: Browser, origin: str) -> None:
    axe = Axe()
    with opened(browser, origin, width, scheme) as page:
        for name in KINDS:
            page.goto(f"{origin}/{name}")
            # Without its preload, axe requests no style sheet again.
            found = axe.run(page, options={"preload": False}).response["violations"]
            serious = [each for each in found if each["impact"] in {"serious", "critical"}]
            assert not serious, (name, serious)


def test_search_finds_a_word(browser: Browser, origin: str) -> None:
    with opened(browser, origin, DESKTOP) as page:
        page.goto(f"{origin}/index.html")
        page.keyboard.press("Control+k")
        page.keyboard.type("keyset")
        page.keyboard.press("Enter")

        expect(page.locator("#search-results li").first).to_be_visible()
        expect(page.locator("#search-results")).to_contain_text("How a service works")


def test_reader_chooses_light_or_dark(browser: Browser, origin: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, origin, DESKTOP, "dark") as page:
        page.goto(f"{origin}/gallery/sqlite-controller/src/core/paging.py.html")
        dark = page.evaluate(background)
        page.get_by_role("button", name="Color mode").click()
        page.get_by_role("button", name="Light").click()
        light = page.evaluate(background)
        page.goto(f"{origin}/index.html")

        assert dark != light == page.evaluate(background)


def test_code_is_readable_without_scripts(browser: Browser, origin: str) -> None:
    with opened(browser, origin, PHONE, scripts=False) as page:
        page.goto(f"{origin}/gallery/sqlite-controller/index.html")
        page.get_by_role("link", name="paging.py", exact=True).click()

        expect(page.locator("#L1")).to_contain_text('"""')
        page.goto(f"{page.url}#L20")
        expect(page.locator("#L20:target")).to_be_in_viewport()


def test_old_address_leads_to_page(browser: Browser, origin: str) -> None:
    with opened(browser, origin, DESKTOP) as page:
        page.goto(f"{origin}/changelog.html")
        page.wait_for_url(f"{origin}/changes.html")


def test_keyboard_reaches_content_and_menu(browser: Browser, origin: str) -> None:
    focused = "document.activeElement"
    with opened(browser, origin, PHONE) as page:
        page.goto(f"{origin}/options.html")
        page.keyboard.press("Tab")
        skip = page.get_by_text("Skip to main content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate(f"document.querySelector('main').contains({focused})")

        page.goto(f"{origin}/options.html")
        menu = page.get_by_role("button", name=re.compile("site navigation", re.IGNORECASE))
        for _ in range(10):
            page.keyboard.press("Tab")
            if menu.evaluate(f"each => each === {focused}"):
                break
        expect(menu).to_be_focused()
        style = f"getComputedStyle({focused})"
        assert page.evaluate(f"{style}.outlineStyle !== 'none' || {style}.boxShadow !== 'none'")
        page.keyboard.press("Enter")
        link = page.get_by_role("dialog").get_by_role("link", name="Gallery")
        expect(link).to_be_in_viewport()
        for _ in range(20):
            page.keyboard.press("Tab")
            if link.evaluate(f"each => each === {focused}"):
                break
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/gallery/index.html")


# Releases


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Create a repository with a release before the site, two releases with one, and a change."""
    folder = tmp_path / "template"
    folder.mkdir()
    run("git init --quiet", folder)
    identify(folder)
    commit(folder, "Start")
    run("git tag v0.4.0", folder)
    (folder / "tools/site").mkdir(parents=True)
    (folder / "tools/site/__main__.py").touch()
    (folder / ".gitignore").write_text("build\n")
    (folder / "Makefile").write_text(
        "site:\n"
        '\tmkdir -p build/site && cp *.html build/site && echo "$(SITE)" > build/site/index.html\n'
    )
    for version in ("0.5.0", "0.10.0"):
        (folder / f"new-in-{version}.html").touch()
        commit(folder, version)
        run(f"git tag v{version}", folder)
    return folder


def test_each_release_keeps_its_site(repository: Path, tmp_path: Path) -> None:
    output = tmp_path / "site"

    publish(repository, output)

    titles = {path.parent.name: path.read_text().strip() for path in output.rglob("index.html")}
    assert titles == {
        "site": "--releases '0.10.0 0.5.0'",
        "0.5.0": "--version 0.5.0",
        "0.10.0": "--version 0.10.0",
    }
    assert (output / "0.10.0/new-in-0.10.0.html").exists()
    assert not (output / "0.5.0/new-in-0.10.0.html").exists()
    assert len(run("git worktree list", repository).splitlines()) == 1


def test_release_leads_to_other_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_VERSION", "0.5.0")
    configuration = runpy.run_path(str(TEMPLATE / "tools/site/conf.py"))
    context = {"pathto": lambda address, **_: f"../{address}"}

    configuration["add_banner"](None, "how-to/errors", "page.html", context, None)

    assert configuration["html_title"] == "pynest-async 0.5.0"
    assert "version 0.5.0" in str(context["theme_announcement"])
    assert 'href="../../versions.html"' in str(context["theme_announcement"])


def test_moved_page_needs_a_redirect(repository: Path, tmp_path: Path) -> None:
    (repository / "new-in-0.5.0.html").rename(repository / "moved.html")

    with pytest.raises(SystemExit, match=r"0\.10\.0 are missing: new-in-0\.5\.0\.html"):
        publish(repository, tmp_path / "site")
