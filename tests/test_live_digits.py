"""The figure of digits: its engine says what the package says, and neither readers nor networks break it."""

import base64
import functools
import io
import json
import os
import re
import stat
import threading
from http.server import ThreadingHTTPServer

import engine
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from conftest import PREFIX, Quiet, listen
from onnxruntime import InferenceSession
from PIL import Image

from diffusion_lab import live, load_pretrained

SHAPE = (16, 1, 28, 28)
MAKE, STOP = "Make sixteen digits", "Stop"
WASM = "**/ort-wasm-simd-threaded.wasm*"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a page with the figure and its engine, below a prefix."""
    try:
        engine.everything()
    except engine.Missing as missing:
        pytest.skip(f"no engine to make digits with: {missing}")
    folder = tmp_path_factory.mktemp("site")
    engine.put(folder / "_static" / "engine")
    script = live.page_script("digits").replace("new LiveFigure(", "globalThis.figure = new LiveFigure(")
    (folder / "digits.js").write_text(script, "utf-8")
    scripts = "".join(f'<script defer src="{path}"></script>' for path in ("_static/engine/engine.js", "digits.js"))
    style = (live.HERE / "live.css").read_text("utf-8")
    head = f'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><style>{style}</style>{scripts}'
    (folder / "page.html").write_text(f'{head}<div data-live="digits" data-given="{{}}"></div>', "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}/page.html"
        server.shutdown()


def opened(chromium, site):
    page = chromium.new_page(viewport={"width": 800, "height": 900})
    listen(page)
    page.goto(site)
    page.get_by_role("button", name=MAKE).wait_for()
    return page


@pytest.fixture(scope="module")
def running(chromium, site):
    """A page that stays open, for its engine takes a while to start."""
    page = opened(chromium, site)
    yield page
    assert page.said == []
    page.close()


@pytest.fixture
def page(running):
    """The same page as if it were new, but for the engine."""
    running.get_by_role("button", name="Reset").click()
    return running


@pytest.fixture
def fresh(chromium, site):
    """A page that has no engine yet."""
    page = opened(chromium, site)
    yield page
    page.close()


def press(page, name=MAKE):
    page.get_by_role("button", name=name, exact=True).click()


def wait(page, words, seconds=60):
    """Until the line below the figure has these words in it."""
    test = "(words) => document.querySelector('.live-said').textContent.includes(words)"
    page.wait_for_function(test, arg=words, timeout=1000 * seconds)


def made(page):
    """What the figure shows when it is done."""
    page.wait_for_function("!figure.running", timeout=90_000)
    numbers = page.evaluate("figure.numbers()")
    assert numbers["t"] == 0, page.inner_text(".live-said")
    return torch.tensor(numbers["x_t"]).view(SHAPE)


def package(page, monkeypatch):
    """What the Python beside the figure gives, with the figure's own noise on the way."""
    stream = live.Random(page.evaluate("figure.state.seed"))
    stream.normals(*SHAPE)  # which x_T was made of
    monkeypatch.setattr("diffusion_lab.sampling.randn_like", lambda x, generator: stream.normals(*x.shape).to(x))
    scope = {}
    exec(page.evaluate("figure.part.python()"), scope)
    plt.close("all")
    assert scope["labels"].tolist() == page.evaluate("figure.numbers().labels")
    return scope["x_0"]


# ---- the same as the package ----


def test_the_network_is_exported_as_it_is():
    network, content = load_pretrained("mnist-conditional").network, engine.network()
    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        x_t = live.Random(batch).normals(batch, *SHAPE[1:]).float()
        told = {"x_t": x_t, "t": torch.tensor([1, 400, 1000])[:batch], "labels": torch.tensor([-1, 3, 9])[:batch]}
        (answer,) = session.run(None, {name: each.numpy() for name, each in told.items()})
        assert (torch.from_numpy(answer) - network(**told)).abs().max() < 1e-5
    assert len(content) < 3.2e6  # half precision: 1.5 million weights


def test_noise_is_that_of_the_page(live_page):
    page = live_page("digits")
    page.add_script_tag(content=live.bundle("random.js"))
    for seed in (0, 7, 9999):
        theirs = page.evaluate(f"Array.from(new Random({seed}).normals(2001))")
        assert (live.Random(seed).normals(2001) - torch.tensor(theirs, dtype=torch.float64)).abs().max() < 1e-12


def strip():
    """The prepared digits: ``(rows, 16, 28, 28)`` in [-1, 1], and the guidance of each ten rows."""
    text = (live.HERE / "weights" / "digits-strip.js").read_text("utf-8")
    assert len(text) < 60_000
    given = json.loads(re.search(r"= (\{.*\});", text, re.DOTALL)[1])
    with Image.open(io.BytesIO(base64.b64decode(given["picture"].split(",")[1]))) as picture:
        grey = torch.tensor(np.asarray(picture.convert("L")) / 127.5 - 1)
    return grey.view(-1, 28, 16, 28).transpose(1, 2), given["guidance"]


def tiles(page):
    """What is on the canvas, eight tiles in a row: the middle of each pixel of each tile, ``(16, 28, 28)``."""
    page.evaluate("figure.part.draw()")
    grey = page.evaluate("""() => {
        const canvas = document.querySelector("canvas");
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, width, height);
        const size = width / 8;
        const at = (tile, pixel) => Math.floor(tile * size + 1 + ((pixel + 0.5) * (size - 2)) / 28);
        return Array.from({ length: 16 * 784 }, (_, i) => {
            const [tile, row, column] = [Math.floor(i / 784), Math.floor(i / 28) % 28, i % 28];
            return data[4 * (at(Math.floor(tile / 8), row) * width + at(tile % 8, column))];
        });
    }""")
    return torch.tensor(grey).view(16, 28, 28) / 127.5 - 1


def test_what_was_prepared_is_what_is_made_and_what_the_package_makes(page, monkeypatch):
    page.evaluate("figure.set({ digit: '3', guidance: 1 })")
    prepared = tiles(page)
    press(page)
    found = made(page)
    assert (found - package(page, monkeypatch)).abs().max() < 1e-3
    assert (found[:, 0].clamp(-1, 1) - tiles(page)).abs().max() < 0.01
    assert (found[:, 0].clamp(-1, 1) - prepared).abs().max() < 1 / 7 + 0.01  # half of the step between its eight greys


@pytest.mark.parametrize(
    "state",
    [
        {"digit": "7", "guidance": 3.5, "steps": 3, "sampler": "dpm_solver", "seed": 4},
        {"digit": "any", "guidance": 2, "steps": 3, "sampler": "ddpm"},
        {"digit": "0", "guidance": 1, "steps": 2, "sampler": "ddim_1"},
        {"digit": "5", "guidance": 0, "steps": 1},
    ],
    ids=["dpm_solver", "any", "fresh noise", "one step"],
)
def test_every_wish_gives_what_the_package_gives(page, monkeypatch, state):
    page.evaluate("(state) => figure.set(state)", state)
    press(page)
    assert (made(page) - package(page, monkeypatch)).abs().max() < 1e-3


# ---- what readers do ----


def test_pressed_twice_it_stops_and_stays_stopped(page):
    press(page)
    wait(page, "On the way")
    press(page, STOP)
    wait(page, "Stopped: step")
    t = page.evaluate("figure.numbers().t")
    page.wait_for_timeout(1500)
    assert page.evaluate("figure.numbers().t") == t > 0
    assert page.get_by_role("button", name=STOP).count() == 0
    press(page, "Reset")
    wait(page, "prepared: guidance 2")
    assert page.evaluate("figure.numbers().x_t") == []


def test_what_is_changed_on_the_way_begins_anew(page, monkeypatch):
    page.evaluate("figure.set({ steps: 3 })")
    press(page)
    wait(page, "On the way")
    for guidance in (1, 1.5, 2, 3):
        page.evaluate(f"figure.set({{ guidance: {guidance}, digit: '3' }})")
    found = made(page)
    wait(page, "each a 3, made here: guidance 3, 3 steps of DDIM.")
    assert (found - package(page, monkeypatch)).abs().max() < 1e-3
    page.evaluate("figure.set({ guidance: 5 })")  # which nobody has made: no digits of another guidance under its name
    wait(page, "prepared: guidance 6, 20 steps of DDIM.")
    assert page.evaluate("figure.numbers().x_t") == []
    page.evaluate("figure.set({ guidance: 3 })")
    wait(page, "made here: guidance 3")
    press(page, "Other noise")
    assert page.evaluate("figure.state.seed") == 1
    assert (made(page) - found).abs().max() > 0.5


def test_out_of_sight_it_rests(page):
    page.evaluate("figure.set({ steps: 100 })")
    page.evaluate("document.body.append(Object.assign(document.createElement('div'), { style: 'height: 5000px' }))")
    press(page)
    wait(page, "On the way")
    page.evaluate("scrollTo(0, 4000)")
    page.wait_for_timeout(1500)
    step = page.evaluate("figure.numbers().t")
    page.wait_for_timeout(1000)
    assert page.evaluate("figure.numbers().t") == step
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_function(f"figure.numbers().t < {step}", timeout=20_000)


def test_keys_are_enough(page):
    page.evaluate("figure.set({ steps: 1 })")
    page.get_by_label("which digit").focus()
    page.keyboard.press("4")
    assert page.evaluate("figure.state.digit") == "4"
    page.get_by_role("button", name=MAKE).focus()
    page.keyboard.press("Enter")
    made(page)


# ---- what networks do ----


def test_nothing_is_loaded_before_a_press(chromium, site):
    page = chromium.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url.split("/")[-1].split("?")[0]))
    page.goto(site)
    page.wait_for_timeout(300)
    page.close()
    assert sorted(name for name in asked if name.endswith((".js", ".wasm", ".onnx"))) == ["digits.js", "engine.js"]


def test_a_lost_connection_says_so_and_the_button_tries_again(fresh):
    fresh.route(WASM, lambda route: route.abort())
    press(fresh)
    wait(fresh, "The engine could not be loaded, or failed: Failed to fetch.")
    assert fresh.evaluate("document.querySelector('progress').style.visibility") == "hidden"
    fresh.unroute(WASM)
    fresh.evaluate("figure.set({ steps: 1 })")
    wait(fresh, "prepared: guidance 2")
    press(fresh)
    made(fresh)


BAD = {
    "is cut short": {"body": bytes(3999)},
    "longer than it should be": {"body": bytes(4001)},
    "answered 404": {"status": 404, "body": b""},
    "": {"body": bytes(4000)},  # as long as it should be, but no engine
}


@pytest.mark.parametrize("words", BAD)
def test_what_is_no_engine_says_so(fresh, words):
    fresh.evaluate("diffusion_lab_engine.bytes['ort-wasm-simd-threaded.wasm'] = 4000")
    fresh.route(WASM, lambda route: route.fulfill(**BAD[words]))
    press(fresh)
    wait(fresh, "The engine could not be loaded, or failed: ")
    assert words in fresh.inner_text(".live-said")
    assert fresh.get_by_role("button", name=MAKE).is_visible()
    fresh.wait_for_timeout(500)  # a worker that was told to end takes a moment
    assert fresh.workers == []
    assert not [line for line in fresh.said if words and "Failed to load resource" not in line]


def test_starting_can_be_stopped(fresh):
    held = []
    fresh.route("**/ort.wasm.bundle.min.js*", lambda route: held.append(route))
    press(fresh)
    wait(fresh, "Starting the engine.")
    fresh.wait_for_timeout(300)
    assert len(fresh.workers) == 2
    press(fresh, STOP)
    wait(fresh, "To make others, the button loads 17 MB, once.")
    fresh.wait_for_timeout(300)
    assert fresh.workers == []


def test_loading_can_be_stopped(fresh):
    held = []
    fresh.route(WASM, lambda route: held.append(route))
    press(fresh)
    wait(fresh, "Loading the engine: ")
    assert fresh.evaluate("document.querySelector('progress').style.visibility") == "visible"
    press(fresh, STOP)
    wait(fresh, "To make others, the button loads 17 MB, once.")
    assert fresh.get_by_role("button", name=MAKE).is_visible()
    assert fresh.said == []


# ---- without an engine ----


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (None, "on this chapter's page of the published book"),
        ({"missing": "npm was not there when it was built"}, "not in this copy of the book: npm was not there"),
        ({"at": "x", "version": "1", "bytes": {}}, "python -m http.server"),
    ],
    ids=["notebook", "built without", "from a disk"],
)
def test_without_an_engine_there_are_prepared_digits_and_the_reason(live_page, monkeypatch, here, words):
    script = live.page_script
    head = f"globalThis.diffusion_lab_engine = {json.dumps(here)};\n" if here else ""
    monkeypatch.setattr(live, "page_script", lambda name: head + script(name))
    page = live_page("digits", digit="8", guidance=1)
    page.wait_for_timeout(300)
    assert words in page.locator(".live-note").inner_text()
    assert "each an 8, prepared: without guidance" in page.inner_text(".live-said")
    visible = [each.inner_text() for each in page.get_by_role("button").all() if each.is_visible()]
    assert visible == ["Reset"]
    rows, guidance = strip()
    for digit, scale, expected in (("8", 1, 8), ("2", 2, 12), ("0", 8, 20), ("any", 2, 30), ("5", 0, 30)):
        page.evaluate(f"figure.set({{ digit: '{digit}', guidance: {scale} }})")
        assert (tiles(page) - rows[expected]).abs().max() < 0.01
    page.evaluate("figure.set({ digit: 'all', guidance: 4.5 })")
    page.wait_for_function("document.querySelector('.live-said').innerText.includes('prepared: guidance 6')")
    assert (tiles(page) - torch.stack([rows[20 + i % 10, i] for i in range(16)])).abs().max() < 0.01
    assert guidance == [1, 2, 6]
    assert page.said == []


def test_a_book_without_npm_is_built_and_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(engine, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    engine.put(tmp_path / "engine")
    assert capsys.readouterr().out.count("\n") == 1
    (file,) = (tmp_path / "engine").iterdir()
    assert "npm, which brings onnxruntime-web, was not there" in file.read_text()


def fake_npm(folder, line):
    script = folder / "npm"
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(script.stat().st_mode | stat.S_IEXEC)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands for npm")
@pytest.mark.parametrize(
    ("line", "words"),
    [("exit 1", "could not bring"), ("exit 0", "could not bring"), ("echo x > $4/onnxruntime-web-{}.tgz", "contents")],
    ids=["no connection", "nothing came", "another package"],
)
def test_what_npm_does_not_bring_is_missing(monkeypatch, tmp_path, line, words):
    monkeypatch.setattr(engine, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_npm(tmp_path, line.format(engine.VERSION))
    for _ in range(2):  # what is wrong is not kept
        with pytest.raises(engine.Missing, match=words):
            engine.runtime()
    assert not list((tmp_path / "cache").glob("*"))
