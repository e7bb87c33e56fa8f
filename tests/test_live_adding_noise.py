"""The live figure of Adding noise: the package's numbers, a digit drawn by the reader, and what is left at T."""

import live_data
import pytest
import torch
from torch.testing import assert_close

from diffusion_lab import NoiseSchedule, add_noise, datasets, live

STATES = [
    {},
    {"digit": "3", "kind": "cosine", "T": 1000, "t": 392},
    {"digit": "0", "kind": "scaled_linear", "T": 1000, "end": 0.012, "t": 0},
    {"digit": "5", "kind": "constant", "T": 1, "end": 0.5, "t": 1},
]
OWN = {"digit": "own", "drawn": [300, 4, 24, 5, 451]}


@pytest.fixture
def noise(live_page):
    return live_page("adding-noise")


def found(page):
    numbers = page.evaluate("figure.numbers()")
    return {
        name: torch.tensor(list(each.values()) if isinstance(each, dict) else each, dtype=torch.float64)
        for name, each in numbers.items()
    }


def said(page):
    page.wait_for_timeout(100)
    return page.locator(".live-said").inner_text()


@pytest.mark.parametrize("name", live_data.FILES)
def test_the_stored_data_are_what_the_tool_makes(name):
    assert (live.HERE / "weights" / name).read_text("utf-8") == live_data.FILES[name]()


def test_numbers_are_the_package_s_and_the_code_gives_them(noise):
    for state in (*STATES, OWN):
        noise.evaluate("(state) => figure.set(state)", state)
        shown = found(noise)
        scope = {}
        exec(noise.locator(".live-code code").text_content(), scope)
        schedule, t = scope["schedule"], noise.evaluate("figure.state.t")
        x_0, eps = scope["x_0"].double().flatten(), shown["eps"]
        assert_close(shown["x_0"], x_0, atol=1e-5, rtol=0)
        assert_close(shown["alpha_bar"], schedule.alpha_bar, atol=1e-10, rtol=1e-6)
        assert_close(shown["x_t"], add_noise(x_0, t, eps, schedule), atol=1e-5, rtol=0)
        assert_close(shown["x_T"], add_noise(x_0, schedule.T, eps, schedule), atol=1e-5, rtol=0)
        assert_close(shown["total"], schedule.beta.sum(), atol=1e-9, rtol=0)
        assert scope["x_t"].shape == (1, 1, 28, 28)
        assert abs(eps.mean()) < 0.15
        assert abs(eps.std() - 1) < 0.1


def test_the_first_state_is_the_chapter_s(noise):
    shown = found(noise)
    images, labels = datasets.digits()
    assert_close(shown["x_0"], images[labels == 8][0].double().flatten(), atol=1e-5, rtol=0)
    assert shown["signal_left"].item() == pytest.approx(NoiseSchedule.linear(300, 1e-4, 0.02).signal_left)
    assert "0.048" in said(noise)


def test_it_judges_by_the_chapter_s_rule(noise):
    assert "Too much" in said(noise)
    noise.evaluate("figure.set({T: 1000})")  # DDPM's own: exercise 2.6
    assert "not quite for a picture" in said(noise)
    noise.evaluate("figure.set({kind: 'cosine'})")
    assert "Close enough" in said(noise)


def test_the_same_noise_at_every_t_until_another_is_asked_for(noise):
    eps = found(noise)["eps"]
    noise.evaluate("figure.set({t: 10, T: 50})")
    assert torch.equal(found(noise)["eps"], eps)
    noise.get_by_role("button", name="Other noise").click()
    assert not torch.equal(found(noise)["eps"], eps)


def test_a_digit_is_drawn_by_mouse_kept_in_the_link_and_cleared(noise, live_page):
    pad = noise.locator(".live-pad").bounding_box()
    x, y, side = pad["x"], pad["y"], pad["width"]
    noise.mouse.move(x + 0.25 * side, y + 0.5 * side)
    noise.mouse.down()
    noise.mouse.move(x + 0.75 * side, y + 0.5 * side)
    noise.mouse.up()
    noise.mouse.move(x + 0.5 * side, y + 0.9 * side)  # not pressed: draws nothing
    drawn = found(noise)["x_0"].view(28, 28)
    assert noise.evaluate("figure.state.digit") == "own"
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    assert (drawn[13:15, 7:21] == 1).all()
    assert (drawn[:12] == -1).all()
    assert (drawn[17:] == -1).all()
    address = noise.locator(".live-link").get_attribute("href")
    assert torch.equal(found(live_page("adding-noise", address))["x_0"].view(28, 28), drawn)
    noise.get_by_role("button", name="Clear").click()
    assert (found(noise)["x_0"] == -1).all()
    assert "empty" in said(noise)
    noise.get_by_role("button", name="Reset").click()
    assert not noise.get_by_role("button", name="Clear").is_visible()
    assert noise.said == []


def test_a_finger_draws_only_where_the_digit_is_the_reader_s(live_page):
    page = live_page("adding-noise", window={"has_touch": True})
    pad = page.locator(".live-pad")
    pad.tap()
    assert page.evaluate("figure.state.digit") == "8"
    page.get_by_label("digit", exact=True).select_option("own")
    page.wait_for_timeout(100)
    assert pad.evaluate("(element) => getComputedStyle(element).touchAction") == "none"
    pad.tap()
    assert found(page)["x_0"].max() == 1


def test_keyboard_moves_t_along_the_curve_and_plays(noise):
    handle = noise.get_by_role("slider", name="on the curve")
    handle.focus()
    noise.keyboard.press("ArrowRight")
    noise.keyboard.press("Shift+ArrowRight")
    assert noise.evaluate("figure.state.t") == 161
    assert handle.get_attribute("aria-valuetext") == "t = 161" or said(noise)
    noise.evaluate("figure.set({t: 290})")
    noise.get_by_role("button", name="Play").press("Enter")
    noise.wait_for_function("figure.state.t === 300 && !figure.running")
    assert "At t = 300" in said(noise)


@pytest.mark.parametrize("drawn", ["9~9~x", "700~700~700", "", "0", "-4~1e99"])
def test_wrong_input_does_no_harm(live_page, drawn):
    page = live_page("adding-noise", f"#live-adding-noise&T=0&t=-5&digit=own&kind=square&drawn={drawn}")
    shown = found(page)
    assert page.evaluate("[figure.state.T, figure.state.t, figure.state.kind]") == [1, 0, "linear"]
    assert all(torch.isfinite(each).all() for each in shown.values())
    assert set(shown["x_0"].abs().unique().tolist()) == {1.0}
    box = page.get_by_label("steps, T, as a number")
    for text in ("0", "1e9", "-3", ""):
        box.fill(text)
        box.press("Enter")
        assert 1 <= page.evaluate("figure.state.T") <= 1000
    said(page)
    assert page.said == []


def test_a_slider_dragged_while_it_plays(noise):
    noise.get_by_role("button", name="Play").click()
    for T in (5, 1, 800, 20):
        noise.evaluate(f"figure.set({{T: {T}}})")
        noise.wait_for_timeout(40)
    noise.get_by_role("button", name="Reset").click()
    assert noise.evaluate("[figure.state.T, figure.state.t, figure.running]") == [300, 150, None]
    assert noise.said == []
