"""How fast the live figures are in headless Chromium on this machine.

    python benchmarks/live.py               a few minutes; writes live.md
    python benchmarks/live.py digits        measures that part of it again, and leaves the rest as it is

The film of the S-curve: two thousand points go from noise to data while they are computed, both pictures and the arrows
are drawn anew for every frame. Frames are counted by the browser's own clock, which gives at most 60 a second. And
sixteen digits: see live_digits.py.
"""

import statistics
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import live_digits
import machine
from playwright.sync_api import Browser, sync_playwright

from diffusion_lab import live

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from conftest import browser_here, page_of

FILMS = [
    {},
    {"sampler": "ddpm"},
    {"sampler": "dpm_solver"},
    {"sampler": "ddpm", "steps": 100},
    {"denoiser": "truth"},
    {"denoiser": "copier"},
    {"denoiser": "copier", "examples": 2000},
]
FILM = """() => new Promise((done) => {
    const times = [];
    const frame = (now) => {
        times.push(now);
        if (figure.running) requestAnimationFrame(frame);
        else done(times);
    };
    document.querySelector(".live-back").click();
    requestAnimationFrame(frame);
})"""
ANSWER = """() => {
    const { denoiser, examples } = figure.state;
    const asked = denoiser_of(denoiser, data_of(figure.state), examples);
    const x_t = new Random(1).normals(2 * N);
    const times = [];
    for (let i = 0; i < 20; i++) {
        const begin = performance.now();
        for (let from = 0; from < 2 * N; from += 200) asked.x_0(x_t.slice(from, from + 200), 5 + 4 * i);
        times.push(performance.now() - begin);
    }
    return times;
}"""


def film(browser: Browser, given: dict) -> list[str]:
    """Open the figure, measure one answer for all points, let the film run, and return a row of the table."""
    parts = live.bundle("answers.js", "random.js")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page_of("s-curve", f"<script>{parts}</script>", **given), "utf-8")
        page.goto(file.as_uri())
        page.wait_for_function("!figure.running && !figure.stale")
    answer = statistics.median(page.evaluate(ANSWER))
    times = page.evaluate(FILM)
    state = page.evaluate("figure.state")
    page.close()
    gaps = sorted(after - before for before, after in pairwise(times))
    who = state["denoiser"] if state["denoiser"] != "copier" else f"copier of {state['examples']} points"
    rate = 1000 * len(gaps) / sum(gaps)
    late = gaps[int(0.99 * len(gaps))]
    return [who, state["sampler"], f"{state['steps']}", f"{answer:.0f}", f"{rate:.0f}", f"{late:.0f}"]


def s_curve(browser: Browser) -> list[str]:
    """The lines of the table."""
    return [
        "## The S-curve: two thousand points",
        "",
        "| Denoiser | Sampler | Steps | One answer for all, ms | Frames a second | 99 of 100 frames within, ms |",
        "|---|---|---:|---:|---:|---:|",
        *(f"| {' | '.join(film(browser, given))} |" for given in FILMS),
    ]


PARTS = {"s-curve": s_curve, "digits": live_digits.table}


def main() -> None:
    file = Path(__file__).with_suffix(".md")
    before = file.read_text("utf-8").split("\n## ")[1:] if file.exists() else []
    parts = dict(zip(PARTS, (f"## {part.strip()}" for part in before), strict=False))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_here(), args=["--no-sandbox", "--disable-gpu"])
        for name in sys.argv[1:] or PARTS:
            parts[name] = "\n".join(PARTS[name](browser))
        version = browser.version
        browser.close()
    head = f"Made by `python benchmarks/live.py`. {machine.describe()}; Chromium {version}, headless, no GPU."
    text = "\n\n".join(["# Live figures in the browser", head, *(parts[name] for name in PARTS if name in parts)])
    print(text)
    file.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
