"""A real browser on a real gallery, opened from the file system. Skips, and says so, where there is no browser."""

import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "stages"))
from gallery_site import call, made_from

from zfpipe.files.topk import read_topk

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1280,900",
]
SECONDS = 30


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Page:
    """A browser at a gallery, and what a reader would do with it."""

    def __init__(self, driver, address):
        self.driver, self.address = driver, address

    def open(self, path="#/"):
        """Load the page anew at a deep link, and wait for its pictures."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/index.html{path}")
        self.settle()

    def go(self, path):
        """Change the address as a link does."""
        self.script("location.hash = arguments[0]", path)
        self.settle()

    def settle(self):
        """Wait until the view stands and all canvases in sight are drawn."""
        from selenium.webdriver.support.ui import WebDriverWait

        ready = """
            const seen = (canvas) => { const box = canvas.getBoundingClientRect();
              return box.width && box.top < innerHeight && box.bottom > 0; };
            const stands = document.querySelector("main h1") && !document.hidden;
            return document.readyState === "complete" && stands && [...document.querySelectorAll("main canvas")]
              .every((canvas) => !seen(canvas) || canvas.hasAttribute("data-drawn"));"""
        self.script("return new Promise((done) => setTimeout(done, 80))")
        WebDriverWait(self.driver, SECONDS).until(lambda _: self.script(ready))

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def texts(self, selector):
        return self.script("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def one(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()
        self.settle()

    def choose(self, label, value):
        """Choose an entry of a list, by the list's label."""
        from selenium.webdriver.support.ui import Select

        Select(self.one(f'select[data-key="{label}"]')).select_by_value(value)
        self.settle()

    def units(self):
        """The numbers of the tiles, as they stand."""
        return [int(number) for number in self.texts("#dynamic .wall a b")]

    def width(self, pixels, height=844):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": pixels, "height": height, "deviceScaleFactor": 1, "mobile": pixels < 600},
        )

    def scheme(self, name):
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def complaints(self):
        """What the console says since the last time; a clean page says nothing."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """The addresses that were asked for since the last time."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Where a gallery stands, and the options that it was made with."""
    folder = tmp_path_factory.mktemp("made")
    options = made_from(folder)
    call("gallery", *options, "--out", folder / "the gallery, copied")
    return folder / "the gallery, copied", options


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install -e '.[test]'")
    chromium, service = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and service):
        pytest.skip("NO BROWSER: chromium and chromedriver are not on the path; the gallery was not tested in one")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(service))
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, made):
    """The gallery, opened from the file system; every test begins at its first page."""
    page = Page(driver, made[0].as_uri())
    page.width(1280, 900)
    page.scheme("light")
    page.open()
    page.complaints(), page.requests()
    yield page
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith((page.address, "data:", "about:"))] == []


@pytest.fixture
def hosted(driver, made):
    """The same folder on a web host; there, and only there, a script may read what a canvas shows."""
    handler = functools.partial(_Quiet, directory=made[0])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Page(driver, f"http://127.0.0.1:{server.server_port}")
    driver.get("about:blank")
    server.shutdown()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def topk(made):
    return read_topk(made[1][made[1].index("--topk") + 1])
