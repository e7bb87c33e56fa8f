"""The live figure of The number 8: its numbers are the package's, and it can be played with by every means."""

import pytest
import torch
from conftest import with_noise
from torch.testing import assert_close

from diffusion_lab import ExactDenoiser, NoiseSchedule, ddim, ddpm, live, walk

LOOKS = [
    {},
    {"t": 1, "x_t": 4},  # between two spikes, where every bell is as good as 0
    {"t": 300, "x_t": -4},
    {"t": 40, "width": 0.5, "x_t": 6.3},
    {"T": 1, "kind": "linear", "end": 0.5, "width": 1.5},
    {"T": 1000, "t": 700, "kind": "scaled_linear", "end": 0.012, "means": [-3, 10], "weights": [0.05, 1]},
    {"kind": "constant", "end": 0.03, "means": [0, 1, 2, 3, 4, 5], "weights": [1]},  # the other weights are filled in
]
WAYS = [
    {},
    {"sampler": "ddim", "steps": 20, "width": 0.4},
    {"sampler": "ddim", "steps": 7, "now": 150, "seed": 3},
    {"steps": 3, "means": [1.05], "weights": [0.2]},
    {"kind": "linear", "T": 40, "steps": 40, "now": 17, "width": 1},  # ends before it is noise
    {"T": 1},
]


@pytest.fixture
def line(live_page):
    return live_page("line")


def vector(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def world(state):
    """The package's schedule and denoiser of a state of the figure."""
    T, end = state["T"], state["end"]
    kinds = {
        "cosine": lambda: NoiseSchedule.cosine(T),
        "linear": lambda: NoiseSchedule.linear(T, 1e-4, end),
        "scaled_linear": lambda: NoiseSchedule.scaled_linear(T, 0.00085, end),
        "constant": lambda: NoiseSchedule.constant(T, end),
    }
    schedule, means = kinds[state["kind"]](), vector(state["means"])
    weights = vector((state["weights"] + [0.3] * len(means))[: len(means)])
    stds = torch.full_like(means, state["width"])
    return schedule, ExactDenoiser.mixture(means[:, None], stds, weights, schedule)


def code_of(page):
    scope = {}
    exec(page.locator(".live-code code").text_content(), scope)
    return scope


@pytest.mark.parametrize("state", LOOKS, ids=str)
def test_bells_shares_and_guess_are_the_package_s(line, state):
    line.evaluate("(state) => figure.set(state)", state)
    state, shown = line.evaluate("[figure.state, figure.numbers()]")
    schedule, denoiser = world(state)
    t, x_t = state["t"], vector([[state["x_t"]]])
    a, b = schedule.ab(t)
    std = (a**2 * denoiser.stds**2 + b**2).sqrt()
    bells = denoiser.weights.log() + torch.distributions.Normal(a * denoiser.means[:, 0], std).log_prob(x_t[0])
    near = {"atol": 1e-5, "rtol": 1e-5}
    assert_close(vector(shown["shares"]), bells.softmax(0), **near)
    assert_close(vector(shown["best_guess"]), denoiser.x_0(x_t, t)[0, 0], **near)
    assert_close(vector(shown["density"]), denoiser.log_prob(x_t, t).exp()[0], **near)
    code = code_of(line)
    assert_close(code["best_guess"][0, 0].double(), vector(shown["best_guess"]), atol=1e-4, rtol=1e-4)
    assert_close(code["probabilities"][0].double(), vector(shown["shares"]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("state", WAYS, ids=str)
def test_the_way_back_is_the_package_s(line, state):
    line.evaluate("(state) => figure.set({ mode: 'back', ...state })", state)
    state, shown = line.evaluate("[figure.state, figure.numbers()]")
    schedule, denoiser = world(state)
    random = live.Random(state["seed"])
    x_T = random.normals(2000, 1)
    step = with_noise({"ddpm": ddpm, "ddim": ddim}[state["sampler"]](), random)
    states = list(walk(denoiser, x_T, schedule, step, steps=state["steps"]))
    times = schedule.times(state["steps"])
    at = max(i for i, t in enumerate(times) if t >= state["now"])
    assert_close(vector(shown["x_T"]), x_T[:, 0], atol=1e-12, rtol=0)
    assert_close(vector(shown["x_t"]), states[at][:, 0], atol=1e-5, rtol=0)
    # How many are nearest to each, and how many should be.
    values = vector(shown["values"])
    nearest = (states[at] - values).abs().argmin(1)
    assert_close(vector(shown["made"]), torch.bincount(nearest, minlength=len(values)) / 2000.0, check_dtype=False)
    middles = ((values[1:] + values[:-1]) / 2)[:, None]
    z = (middles - denoiser.means[:, 0]) / denoiser.stds.clamp(min=1e-9)
    below = (torch.special.ndtr(z) * denoiser.weights).sum(1)
    truth = torch.cat([vector([0]), below, vector([1])]).diff()
    assert_close(vector(shown["truth"]), truth, atol=1e-6, rtol=0)
    if state["sampler"] == "ddim":
        code = code_of(line)
        assert_close(code["x_t"], states[at], atol=1e-3, rtol=0)  # its data are float32


def test_with_enough_steps_the_shares_are_right_and_with_three_they_are_not(line):
    line.evaluate("figure.set({ mode: 'back' })")
    luck = (vector([0.3, 0.2, 0.5]) * vector([0.7, 0.8, 0.5]) / 2000).sqrt()
    for steps, right in ((300, True), (3, False)):
        line.evaluate("(steps) => figure.set({ steps })", steps)
        shown = line.evaluate("figure.numbers()")
        off = (vector(shown["made"]) - vector(shown["truth"])).abs() / luck
        assert (off < 4).all().item() is right
    code = code_of(line)
    assert code["x_t"].shape == (2000, 1)


def test_it_is_dragged(line):
    line.wait_for_timeout(200)
    noisy, first = line.locator(".live-handle").all()[:2]
    for handle, (dx, dy) in ((noisy, (60, 30)), (first, (-40, -30))):
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        line.mouse.move(x, y)
        line.mouse.down()
        line.mouse.move(x + dx, y + dy)
        line.mouse.up()
    state = line.evaluate("figure.state")
    assert state["x_t"] > 3.5
    assert state["means"][0] < 1.5
    assert state["weights"][0] > 0.5
    assert state["means"][1:] == [5, 8]
    line.mouse.move(0, 0)
    line.wait_for_function("(words) => figure.said.textContent.includes(words)", arg=f"x_t = {state['x_t']:.2f}")


def test_keys_are_enough(line):
    page = line
    noisy = page.get_by_role("slider", name="noisy number, x_t")
    noisy.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("figure.state.x_t") == pytest.approx(3.05)
    page.get_by_role("slider", name="number 3 of the data").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[figure.state.means, figure.state.weights]") == [[2, 5, 7.95], [0.3, 0.2, 0.45]]
    page.get_by_label("Look", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("figure.state.mode") == "back"
    page.get_by_role("slider", name="noisy number, x_t").wait_for(state="hidden")
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("0 < figure.state.now && figure.state.now < 300 && figure.running !== null")
    page.keyboard.press("Enter")  # now "Pause"
    assert page.evaluate("figure.running") is None


def test_numbers_are_added_and_taken_away_within_bounds(line):
    for _ in range(8):
        button = line.get_by_role("button", name="Add a number")
        if button.count():
            button.click()
    assert len(set(line.evaluate("figure.state.means"))) == len(line.evaluate("figure.state.weights")) == 6
    for _ in range(8):
        button = line.get_by_role("button", name="Take one away")
        if button.count():
            button.click()
    assert line.evaluate("[figure.state.means, figure.state.weights]") == [[2], [0.3]]
    assert line.evaluate("figure.numbers().best_guess") == pytest.approx(2)


def test_whatever_is_moved_while_it_plays_stops_it(line):
    line.evaluate("figure.set({ mode: 'back', steps: 50 })")
    play = line.get_by_role("button", name="Play")
    for change in ("{ now: 200 }", "{ means: [1, 2] }", "{ T: 7 }", "{ sampler: 'ddim' }", "{ mode: 'look' }"):
        line.evaluate("figure.set({ mode: 'back', now: 0 })")
        play.click()
        line.wait_for_timeout(100)
        assert line.evaluate("figure.running !== null")
        line.evaluate(f"figure.set({change})")
        assert line.evaluate("figure.running") is None
    assert line.said == []


def test_play_ends_with_the_data(line):
    line.evaluate("figure.set({ mode: 'back', steps: 2 })")
    line.get_by_role("button", name="Play").click()
    line.wait_for_function("figure.running === null")
    assert line.evaluate("figure.state.now") == 0
    line.wait_for_function("figure.said.textContent.includes('(true: 30.0')")
