"""A page in headless Chromium: what it asks for, what it says, what its models hold."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IDLE = "() => window.Bokeh && Bokeh.documents.length === 1 && Bokeh.documents[0].is_idle"
READY = "(name) => Bokeh.documents[0].get_model_by_name(name) !== null"


class Page:
    """An open page.

    Attributes
    ----------
    requests : list of str
        Addresses asked for.
    complaints : list of str
        Errors of scripts and of the console.
    """

    def __init__(self, page):
        self.page, self.requests, self.complaints = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: line.type == "error" and self.complaints.append(line.text))

    def open(self, path):
        """Load a file and wait until it is drawn."""
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_function(IDLE, timeout=60_000)
        self.settle()

    def settle(self):
        """Let callbacks and painting finish."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")

    def data(self, name, column):
        """A column of the source of that name, as lists."""
        script = """([name, column]) => Array.from(
            Bokeh.documents[0].get_model_by_name(name).data[column],
            item => typeof item === "object" && item !== null ? Array.from(item) : item)"""
        return self.page.evaluate(script, [name, column])

    def get(self, name, attribute):
        """An attribute of the model of that name."""
        script = "([name, attribute]) => Bokeh.documents[0].get_model_by_name(name)[attribute]"
        return self.page.evaluate(script, [name, attribute])

    def set(self, name, attribute, value):
        """Set an attribute as the widget does when it is used."""
        script = """([name, attribute, value]) => {
            Bokeh.documents[0].get_model_by_name(name)[attribute] = value; }"""
        self.page.evaluate(script, [name, attribute, value])
        self.settle()


@contextmanager
def chromium(profile):
    """A page in a fresh profile; skips the test where no Chromium is installed.

    Parameters
    ----------
    profile : Path
        Folder of the profile.
    """
    executable = next((found for name in NAMES if (found := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile,
            executable_path=executable,
            headless=True,
            args=list(FLAGS),
            viewport={"width": 1320, "height": 1000},
        )
        try:
            yield Page(context.new_page())
        finally:
            context.close()
