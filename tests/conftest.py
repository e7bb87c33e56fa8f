"""What the tests share: one thread, a Hypothesis that never surprises, the built book in a browser, and a few small
things to test with."""

import functools
import html
import json
import math
import os
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from diffusion_lab import MLP, ExactDenoiser, NoiseSchedule, SigmaPath, StraightPath, datasets, live, train
from diffusion_lab.datasets import DataNotFoundError

torch.set_num_threads(1)
settings.register_profile("same-every-time", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same-every-time")

PATHS = {"cosine": NoiseSchedule.cosine(T=100), "straight": StraightPath(), "sigma": SigmaPath()}
TRAINED_UNDER = NoiseSchedule.cosine(T=50)
# A training run of the command line that takes a moment.
TINY = ["--data", "digits", "--width", "8", "--blocks", "1", "--steps", "5", "--batch-size", "8", "--device", "cpu"]
ROOT = Path(__file__).resolve().parents[1]
# What an edit of makes a built book old.
SOURCES = ["notebooks/*.ipynb", "book/**/*.*", "diffusion_lab/**/*.py", "_toc.yml", "_config.yml"]
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"]
PREFIX = "/some/prefix"  # the book is served below it: nothing may count on being at the top of a host
MEANS, STDS, WEIGHTS = [[-2.0], [0.5], [1.5]], [0.3, 0.1, 0.5], [0.5, 0.2, 0.3]


@pytest.fixture
def g():
    """A generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture
def cosine():
    return PATHS["cosine"]


@pytest.fixture(params=PATHS)
def path(request):
    return PATHS[request.param]


@pytest.fixture
def mixture(cosine):
    """The exact denoiser of three bells on a line."""
    return ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, cosine)


@pytest.fixture
def bumpy():
    """A denoiser that is right about nothing, but listens to x_t and to t, and is not linear."""
    return lambda x_t, t: torch.tanh(1.3 * x_t + t.view(-1, *[1] * (x_t.ndim - 1)) / 60) + 0.1 * torch.sin(3 * x_t)


@pytest.fixture
def plain(models):
    """The file of a model without labels, from the folder that a file of tests makes; ``told`` is one with."""
    return str(models / "plain.safetensors")


@pytest.fixture
def told(models):
    return str(models / "told.safetensors")


@pytest.fixture
def no_mnist(monkeypatch):
    def missing(*_, **__):
        raise DataNotFoundError("MNIST: no copy")

    monkeypatch.setattr(datasets, "mnist", missing)


def z_score(values, expected):
    """How many standard errors the mean of independent ``values`` is from ``expected``."""
    return abs(values.mean() - expected).item() / (values.std() / math.sqrt(len(values))).item()


def refused(argument):
    """What bad input must do: raise an error whose message begins with the argument's name."""
    return pytest.raises((TypeError, ValueError), match=rf"^{argument}: ")


def same_weights(one, two):
    """Whether two networks are equal bit for bit."""
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def small(seed=0, kind=MLP, *sizes):
    """A small network, the same for the same seed."""
    torch.manual_seed(seed)
    return kind(*(sizes or (2, 16, 2)))


def quick(network, data, steps=12, **options):
    """A short training run."""
    options = {"batch_size": 16, "target": "eps", "lr": 1e-3, "progress": False} | options
    return train(network, data, TRAINED_UNDER, steps=steps, **options)


def last_built() -> Path | None:
    """The folder of the book that was built last, or none."""
    folders = [ROOT / "_build/test/_build/html", ROOT / "_build/html"]
    return max((one for one in folders if (one / "search.html").exists()), key=age, default=None)


def age(book: Path) -> float:
    return (book / "search.html").stat().st_mtime


@pytest.fixture(scope="session")
def newest() -> Path:
    """The folder of the built book, if it is younger than what it is made from."""
    book = last_built()
    if book is None:
        pytest.skip("the book is not built; `make test` builds it first")
    if age(book) < max(path.stat().st_mtime for pattern in SOURCES for path in ROOT.glob(pattern)):
        pytest.skip("the book is older than its sources; `make test` builds it anew")
    return book


class Quiet(SimpleHTTPRequestHandler):
    """Serves the built book below ``PREFIX`` and says nothing about it."""

    protocol_version = "HTTP/1.1"

    def translate_path(self, path):
        inside = path.startswith(f"{PREFIX}/")
        return super().translate_path(path.removeprefix(PREFIX)) if inside else f"{self.directory}/not-below-the-prefix"

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def served(newest):
    """The address of the built book, over HTTP on a free port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=newest)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
        server.shutdown()


def browser_here() -> str | None:
    """The path of a Chromium that is on the machine already, or none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def listen(page) -> None:
    """``page.said`` gets what the page writes to the console."""
    page.said = []
    page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: page.said.append(f"error: {error}"))


def page_of(name: str, scripts: str = "", **given) -> str:
    """A page with a live figure and nothing else, whose scripts know it as ``figure``."""
    script = live.page_script(name).replace("new LiveFigure(", "globalThis.figure = new LiveFigure(")
    place = f'<div data-live="{name}" data-given="{html.escape(json.dumps(given))}"></div>'
    style = (live.HERE / "live.css").read_text("utf-8")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{style}</style>{scripts}'
    return f"{head}<main><h1>{name}</h1>{place}</main><script>{script}</script>"


def with_noise(step, random):
    """A step whose fresh noise is that of a live figure."""

    def one(now, to):
        mean, std = step(now, to)
        return (mean + std * random.normals(*mean.shape) if std > 0 else mean), 0.0

    return one


# One for each file of tests: while Playwright is open, its event loop is in the way of the notebooks' kernels.
@pytest.fixture(scope="module")
def chromium():
    """A Chromium that is on the machine already. Where there is none the tests are skipped, unless they must run."""
    found = browser_here()
    if not found and os.environ.get("CHROMIUM_MUST_RUN"):
        pytest.fail(f"CHROMIUM_MUST_RUN is set, and there is none of {', '.join(BROWSERS)}")
    if not found:
        pytest.skip(f"no browser to test the pages in: none of {', '.join(BROWSERS)} is there")
    from playwright.sync_api import sync_playwright  # not needed for what needs no browser

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, newest, served):
    """``open_page("notebooks/02-adding-noise.html")`` opens a page of the built book in a window of its own.

    ``page.said`` has what it wrote to the console, ``page.failed`` what it asked for and did not get. ``disk`` opens it
    from file://; further options are those of Playwright's ``new_context``: ``reduced_motion="reduce"``.
    """
    windows = []

    def open_(path, width=1280, height=800, dark=False, touch=False, disk=False, **options):
        window = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            **options,
        )
        windows.append(window)
        page = window.new_page()
        listen(page)
        page.failed = []
        # A request that was on its way when the reader went on has not failed.
        page.on("requestfailed", lambda asked: "ERR_ABORTED" in asked.failure or page.failed.append(asked.url))
        page.on("response", lambda answer: page.failed.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{newest.as_uri() if disk else served}/{path}")
        return page

    yield open_
    for window in windows:
        window.close()


@pytest.fixture
def live_page(chromium, tmp_path):
    """``live_page("two-bells", m_1=-1)`` opens a page from the disk with that live figure and nothing else.

    ``page.said`` has what it wrote to the console; in the page, ``figure`` is the figure. ``address`` is put
    after the page's own, ``window`` has options for Playwright's ``new_context``.
    """
    windows = []

    def open_(name, address="", window=None, **given):
        file = tmp_path / f"{name}.html"
        file.write_text(page_of(name, **given), "utf-8")
        windows.append(chromium.new_context(**{"viewport": {"width": 800, "height": 900}} | (window or {})))
        page = windows[-1].new_page()
        listen(page)
        page.goto(file.as_uri() + address)
        return page

    yield open_
    for each in windows:
        each.close()
