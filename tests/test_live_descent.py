"""The live figure of Before you start: the chapter's fifty examples, and a descent at any learning rate."""

import json

import pytest
import torch
from conftest import ROOT
from torch.autograd.functional import hessian, jacobian
from torch.testing import assert_close

STATES = [
    {},
    {"lr": 0.001, "n": 60, "w": 4.5},
    {"lr": 1.5, "n": 30},
    {"lr": 2, "n": 60},
    {"loss": "two"},
    {"loss": "two", "lr": 2, "n": 60, "b": -6.5},
    {"loss": "two", "lr": 0.15, "n": 0},
]


@pytest.fixture
def descent(live_page):
    return live_page("descent")


def said(page):
    page.wait_for_timeout(100)
    return page.locator(".live-said").inner_text()


def test_the_path_is_pytorch_s_and_the_code_gives_it(descent):
    for state in STATES:
        descent.evaluate("figure.set(figure.initial())")
        descent.evaluate("(state) => figure.set(state)", state)
        shown = descent.evaluate("figure.numbers()")
        now = descent.evaluate("figure.state")
        scope = {}
        exec(descent.locator(".live-code code").text_content(), scope)
        x, y, path = scope["x"], scope["y"], torch.tensor(shown["path"], dtype=torch.float64)
        assert_close(path, torch.tensor(scope["path"], dtype=torch.float64).view_as(path), atol=1e-5, rtol=1e-5)

        def loss_at(weights, x=x, y=y):
            return ((weights[0] * x + weights[1:].sum() - y) ** 2).mean()

        weights = torch.tensor([now["w"], now["b"]][: path.shape[1]], dtype=torch.float64)
        for _ in range(now["n"]):
            weights = weights - now["lr"] * jacobian(loss_at, weights)
        found = {name: torch.tensor(shown[name], dtype=torch.float64) for name in ("loss", "slope", "kept")}
        assert_close(found["loss"], loss_at(weights), atol=1e-5, rtol=1e-5)
        assert_close(found["slope"], jacobian(loss_at, weights), atol=1e-5, rtol=1e-5)
        bends = torch.linalg.eigvalsh(hessian(loss_at, weights))
        assert_close(found["kept"], 1 - now["lr"] * bends, atol=1e-5, rtol=0)


def test_it_begins_with_the_chapter_s_example(descent):
    cells = json.loads((ROOT / "notebooks" / "00-before-you-start.ipynb").read_text("utf-8"))["cells"]
    printed = "".join(
        "".join(output.get("text", "")) for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]
    )
    shown = descent.evaluate("figure.numbers()")
    descent.evaluate("figure.set({n: 0})")
    start = descent.evaluate("figure.numbers()")
    assert f"30 nudges lead from w = {start['path'][0][0]} to w = {shown['path'][-1][0]:.1f}" in printed
    assert f"slope at the start: {start['slope'][0]:.1f}" in printed


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"lr": 0.001}, "leaves 99.8 % of the way"),
        ({"lr": 0.8}, "jumps over the lowest point and leaves 94 %"),
        ({"lr": 0.9}, "without end"),
        ({"loss": "two", "lr": 0.15}, "across it, each nudge jumps over"),
        ({"loss": "two", "lr": 0.16}, "without end"),
    ],
)
def test_it_says_what_a_learning_rate_does(descent, state, words):
    descent.evaluate("(state) => figure.set(state)", state)
    assert words in said(descent)
    first, last = (descent.evaluate("(n) => (figure.set({n}), figure.numbers().loss)", n) for n in (0, 60))
    assert (last > first) == ("without end" in words)
    assert descent.said == []


def test_the_last_nudge_in_numbers(descent):
    formula = descent.locator(".live-formula")
    descent.evaluate("figure.set({n: 1})")
    said(descent)
    assert formula.inner_text() == "w = −1.00 − 0.1 · (−7.26) = −0.27"
    descent.evaluate("figure.set({n: 0})")
    said(descent)
    assert formula.inner_text() == "w = −1.00, slope −7.26"
    descent.evaluate("figure.set({n: 1, lr: 2, n: 60})")
    assert "10" in said(descent)
    assert "e+" not in formula.inner_text()


def test_play_and_one_nudge(descent):
    descent.get_by_role("button", name="Play").press("Enter")
    descent.wait_for_function("figure.state.n === 2")
    descent.get_by_role("button", name="Pause").press("Enter")
    assert descent.evaluate("figure.running") is None
    n = descent.evaluate("figure.state.n")
    descent.get_by_role("button", name="One nudge").click()
    assert descent.evaluate("figure.state.n") == n + 1
    descent.evaluate("figure.set({n: 60})")
    descent.get_by_role("button", name="One nudge").click()
    assert descent.evaluate("figure.state.n") == 60
    descent.evaluate("figure.set({n: 29})")
    descent.get_by_role("button", name="Play").click()
    descent.wait_for_function("figure.state.n === 30 && !figure.running")
    assert "After 30 nudges" in said(descent)


def test_the_start_is_dragged_by_mouse_and_keys_and_kept_in_the_link(descent, live_page):
    def start():
        return descent.get_by_role("slider", name="start", exact=True)

    def drag(dx, dy):
        box = start().bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        descent.mouse.move(x, y)
        descent.mouse.down()
        descent.mouse.move(x + dx, y + dy)
        descent.mouse.up()

    said(descent)
    drag(60, 0)
    assert descent.evaluate("figure.state.w") > -0.5
    drag(-2000, 0)
    assert descent.evaluate("figure.state.w") == -1.5
    descent.get_by_label("f(x) = w x + b").check()
    said(descent)
    drag(40, 60)
    w, b = descent.evaluate("[figure.state.w, figure.state.b]")
    assert w > -1.5
    assert b < 0
    start().focus()
    descent.keyboard.press("ArrowRight")
    descent.keyboard.press("Shift+ArrowDown")
    assert descent.evaluate("[figure.state.w, figure.state.b]") == pytest.approx([w + 0.05, b - 0.5])
    state = descent.evaluate("figure.state")
    other = live_page("descent", descent.locator(".live-link").get_attribute("href"))
    assert other.evaluate("figure.state") == state
    assert other.said == descent.said == []


def test_the_slider_of_the_learning_rate_moves_by_keys_from_end_to_end(descent):
    slider = descent.get_by_role("slider", name="learning rate", exact=True)
    slider.focus()
    descent.evaluate("figure.set({lr: 0.001})")
    descent.keyboard.press("ArrowRight")
    assert descent.evaluate("figure.state.lr") == 0.002
    descent.keyboard.press("ArrowLeft")
    assert descent.evaluate("figure.state.lr") == 0.001


def test_wrong_input_does_no_harm(live_page):
    page = live_page("descent", "#live-descent&lr=0&n=-3&loss=three&w=1e99&b=x")
    assert page.evaluate("figure.state") == {"lr": 0.001, "n": 0, "loss": "one", "w": 5, "b": 0}
    box = page.get_by_label("learning rate, as a number")
    for text, expected in (("-1", 0.001), ("1e9", 2), ("", 2), ("0.3", 0.3)):
        box.fill(text)
        box.press("Enter")
        assert page.evaluate("figure.state.lr") == expected
    said(page)
    assert page.said == []
