"""How long sixteen digits take in headless Chromium: a part of live.py."""

import functools
import statistics
import sys
import tempfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import torch
from playwright.sync_api import Browser, Page

from diffusion_lab import Guided, clip, ddim, live, load_pretrained, sample

sys.path.append(str(Path(__file__).resolve().parents[1] / "book" / "tools"))
import engine

STEPS, RUNS = 20, 5


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def busy() -> float:
    """The seconds that the browser's processes have spent computing so far."""
    started = psutil.Process().children(recursive=True)
    return sum(sum(each.cpu_times()[:2]) for each in started if "chrom" in each.name())


def make(page: Page) -> tuple[float, float]:
    """Press the button; the seconds until the digits are there, and those that processors spent on it."""
    begin, before = time.perf_counter(), busy()
    page.get_by_role("button", name="Make sixteen digits").click()
    page.wait_for_function("!figure.running && figure.numbers().t === 0", timeout=300_000)
    return time.perf_counter() - begin, busy() - before


def difference(page: Page, scale: float) -> float:
    """The largest between what the page shows and what the package makes of the same noise; pixels are in [-1, 1]."""
    denoiser = load_pretrained("mnist-conditional")
    x_T = live.Random(0).normals(16, 1, 28, 28).float()
    guided, labels = Guided(denoiser, scale), torch.arange(16) % 10
    x_0 = sample(guided, x_T, denoiser.path, ddim(), steps=STEPS, edit=clip(), labels=labels)
    return (x_0 - torch.tensor(page.evaluate("figure.numbers().x_t")).view_as(x_0)).abs().max().item()


def table(browser: Browser) -> list[str]:
    """The lines of the table."""
    with tempfile.TemporaryDirectory() as folder:
        engine.put(Path(folder, "engine"))
        script = live.page_script("digits").replace("new LiveFigure(", "globalThis.figure = new LiveFigure(")
        Path(folder, "digits.js").write_text(script, "utf-8")
        scripts = "".join(f'<script defer src="{name}"></script>' for name in ("engine/engine.js", "digits.js"))
        place = '<div data-live="digits" data-given="{}"></div>'
        Path(folder, "page.html").write_text(f'<!doctype html><meta charset="utf-8">{scripts}{place}', "utf-8")
        with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(f"http://127.0.0.1:{server.server_port}/page.html")
            page.evaluate("figure.set({ steps: 1, guidance: 1 })")
            start, _ = make(page)
            rows = []
            for scale in (1, 2):
                page.evaluate(f"figure.set({{ steps: {STEPS}, guidance: {scale} }})")
                seconds, processor = zip(*(make(page) for _ in range(RUNS)), strict=True)
                each = f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
                calls = STEPS if scale == 1 else 2 * STEPS
                spent, off = statistics.median(processor), difference(page, scale)
                rows.append(f"| {scale} | {calls} | {each} | {spent:.1f} | {off:.0e} |")
            server.shutdown()
            page.close()
    return [
        "## Sixteen digits",
        "",
        f"{STEPS} steps of DDIM by ONNX Runtime {engine.VERSION} in two workers. The first press, which also loads and "
        f"starts the engine, here from this machine, took {start:.1f} seconds for one step.",
        "",
        f"| Guidance | Calls of the network for a digit | Seconds from the press: median of {RUNS} (range) "
        "| Processor seconds | Largest difference from the package |",
        "|---:|---:|---:|---:|---:|",
        *rows,
    ]
