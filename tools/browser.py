"""A browser on this machine, which reaches no other."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, sync_playwright

#: The programs of Chromium and Chrome.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: The only host that the browser finds; it is this machine. Swagger UI treats `localhost` and
#: `127.0.0.1` in a special way: it doesn't send them to an online validator.
HOST = "service.test"


class BrowserError(Exception):
    """No browser is installed."""

    def __str__(self) -> str:
        return "no Chromium is installed; install it with `apt install chromium`"


def find() -> str:
    """Return the path of a browser.

    Raises:
        BrowserError: none is installed.
    """
    for program in PROGRAMS:
        if path := shutil.which(program):
            return path
    raise BrowserError


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser.

    Raises:
        BrowserError: no browser is installed.
    """
    program = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND"],
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def open_page(width: int = 1000, height: int = 900, scale: float = 1) -> Iterator[Page]:
    """Open an empty page of that size, in CSS pixels.

    Raises:
        BrowserError: no browser is installed.
    """
    with open_browser() as browser:
        context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        yield context.new_page()
