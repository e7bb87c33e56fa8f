"""The live figure of the landing page: an 8 out of noise, which plays once, and never where motion is not wanted."""

import pytest
import torch
from torch.testing import assert_close

from diffusion_lab import live

STILL = {"reduced_motion": "reduce", "viewport": {"width": 360, "height": 780}}
# Play what is running to its end, without the wait.
TO_THE_END = "() => { for (let i = 0; i < 200 && figure.running; i++) if (!figure.running.frame(0.1)) figure.stop(); }"
INK = """() => {
    const canvas = document.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
}"""


def code_of(page):
    scope = {}
    exec(page.locator(".live-code code").text_content(), scope)
    return scope


@pytest.mark.parametrize("given", [{"t": 0}, {"t": 35, "seed": 3}, {"t": 100, "seed": 999}], ids=str)
def test_its_dots_walk_as_the_package_walks(live_page, given):
    page = live_page("eight", window=STILL, **given)
    shown = {name: torch.tensor(each, dtype=torch.float64) for name, each in page.evaluate("figure.numbers()").items()}
    code = code_of(page)
    assert_close(shown["x_T"].view(-1, 2), code["x_T"], atol=1e-12, rtol=0)
    assert_close(shown["x_t"].view(-1, 2), code["x_t"], atol=1e-5, rtol=0)
    if given["t"] == 0:  # at the end nearly all are on a dot of the 8, and each dot has one
        far, dot = torch.cdist(code["x_t"], code["eight"]).min(1)
        assert (far < 0.03).double().mean() > 0.98
        assert len(dot[far < 0.03].unique()) == len(code["eight"]) == 168


def test_it_plays_once_and_stops(live_page):
    page = live_page("eight")
    page.wait_for_function("figure.state.t > 90")
    assert page.get_by_role("button", name="Pause").count() == 1
    page.evaluate(TO_THE_END)
    assert page.evaluate("[figure.state, figure.running]") == [{"t": 0, "seed": 19}, None]
    page.wait_for_timeout(200)
    assert page.evaluate("figure.running") is None
    assert page.get_by_role("button", name="Play").count() == 1
    assert page.said == []


def test_it_waits_until_it_is_seen(live_page):
    page = live_page("eight", window={"viewport": {"width": 800, "height": 40}})  # the heading fills it
    page.wait_for_timeout(200)
    assert page.evaluate("[figure.state.t, figure.running]") == [0, None]
    page.evaluate("scrollTo(0, 200)")
    page.wait_for_function("figure.state.t > 90")


@pytest.mark.parametrize(("address", "window"), [("", STILL), ("#live-eight&t=40", {})], ids=["still", "linked"])
def test_it_does_not_move_by_itself(live_page, address, window):
    page = live_page("eight", address=address, window=window)
    page.wait_for_function(f"({INK})() > 1000")
    assert page.evaluate("[figure.state.t, figure.running]") == [40 if address else 0, None]
    assert page.locator(".live-said").inner_text().startswith("t = 40" if address else "t = 0")


def test_where_motion_is_not_wanted_it_moves_when_asked(live_page):
    page = live_page("eight", window=STILL)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("figure.state.t > 0 && figure.running !== null")


def test_the_slider_is_the_reader_s(live_page):
    page = live_page("eight")
    page.wait_for_function("figure.running !== null")
    page.get_by_label("noise", exact=True).fill("60")  # while it plays
    assert page.evaluate("[figure.state.t, figure.running]") == [60, None]
    page.get_by_label("noise", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("figure.state.t") == 61
    page.wait_for_function("document.querySelector('.live-said').textContent.startsWith('t = 61')")
    page.get_by_role("button", name="Play").click()  # goes on from there, with the same noise
    page.wait_for_function("figure.state.t < 61")
    assert page.evaluate("figure.state") == {"t": pytest.approx(60, abs=20), "seed": 19}
    page.evaluate(TO_THE_END)
    page.get_by_role("button", name="Play").click()  # and now with other noise
    assert page.evaluate("figure.state") == {"t": 100, "seed": 20}
    page.evaluate("figure.element.querySelector('details').open = true")
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("[figure.state, figure.running]") == [{"t": 0, "seed": 19}, None]


def test_it_is_plain_and_light(live_page):
    page = live_page("eight")
    assert page.get_by_role("heading", level=2).count() == 0
    assert page.locator(".live-link").is_hidden()
    page.get_by_text("How it is made").click()
    assert page.locator(".live-link").is_visible()
    assert page.locator(".live-hint").is_visible()
    assert (live.HERE / "figures/eight.js").stat().st_size < 10_000
