"""The live figure of the paths on the line: its numbers are the package's, and it can be played with by every means."""

import pytest
import torch
from conftest import with_noise
from torch.testing import assert_close

from diffusion_lab import ExactDenoiser, NoiseSchedule, ddim, ddpm, dpm_solver, sample, walk
from diffusion_lab.live.random import Random

SCHEDULE = NoiseSchedule.cosine(T=1000)
WORLD = ExactDenoiser.mixture([[-1.0], [1.0]], [0.25, 0.25], [0.5, 0.5], SCHEDULE)
STARTS = [-2.4, -0.3, 0.0, 0.05, 1.7]
STEP = {"ddim": ddim, "ddpm": lambda eta: ddpm(), "dpm_solver": dpm_solver}
STATES = [
    {"sampler": "ddim", "steps": 5},
    {"sampler": "ddim", "steps": 7, "eta": 0.5, "seed": 2},
    {"sampler": "ddpm", "steps": 20, "seed": 2},
    {"sampler": "dpm_solver", "steps": 10},
    {"sampler": "dpm_solver", "steps": 3, "eta": 1},
    {"sampler": "ddim", "steps": 1},
]


def column(numbers):
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


def near(found, expected):
    assert_close(torch.tensor(found, dtype=torch.float64), expected.squeeze(-1), atol=1e-5, rtol=0)


def shown(page):
    """What the figure shows, arrays as lists."""
    return page.evaluate("""() => {
        const plain = (x) => ArrayBuffer.isView(x) || Array.isArray(x) ? Array.from(x, plain) : x;
        return Object.fromEntries(Object.entries(figure.numbers()).map(([name, x]) => [name, plain(x)]));
    }""")


@pytest.fixture(scope="module")
def misplaced():
    """Half the area between the histogram of points and the true density, by the bells' shares of each bin."""
    edges = torch.linspace(-2.6, 2.6, 53, dtype=torch.float64)
    below = sum(torch.special.ndtr((edges - mean) / 0.25) for mean in (-1, 1)) / 2
    return lambda x: (torch.histogram(x, edges)[0] / len(x) - below.diff()).abs().sum().item() / 2


def test_paths_ends_and_errors_are_the_package_s(live_page, misplaced):
    page = live_page("paths")
    truth = list(walk(WORLD, column(STARTS), SCHEDULE, ddim(), steps=1000))
    true_ends = {}  # by seed
    for state in STATES:
        state = {"eta": 0, "seed": 1, "starts": STARTS} | state
        page.evaluate("(state) => figure.set(state)", state)
        found = shown(page)
        step, steps, seed = STEP[state["sampler"]](state["eta"]), state["steps"], state["seed"]
        ours = list(walk(WORLD, column(STARTS), SCHEDULE, with_noise(step, Random(seed)), steps=steps))
        assert found["times"] == SCHEDULE.times(steps)
        near(found["states"], torch.stack(ours))
        near(found["truth"], torch.stack(truth))

        x_T = Random(1000 + seed).normals(1000, 1)
        x_0 = sample(WORLD, x_T, SCHEDULE, with_noise(step, Random(2000 + seed)), steps=steps)
        if seed not in true_ends:
            true_ends[seed] = sample(WORLD, x_T, SCHEDULE, ddim(), steps=1000)
        true_ones = true_ends[seed]
        near(found["x_T"], x_T)
        near(found["x_0"], x_0)
        assert found["middle"] == pytest.approx((x_0.abs() < 0.5).double().mean().item())
        assert found["true_ones"]["middle"] == pytest.approx((true_ones.abs() < 0.5).double().mean().item())
        # A histogram may take a point at the edge of a bin for one of its neighbour.
        assert found["misplaced"] == pytest.approx(misplaced(x_0.flatten()), abs=2e-3)
        assert found["true_ones"]["misplaced"] == pytest.approx(misplaced(true_ones.flatten()), abs=2e-3)
        if state["sampler"] == "ddpm" or state["eta"] > 0:
            assert found["error"] is None
        else:
            error = (x_0 - true_ones).square().mean().sqrt().item()
            assert found["error"] == pytest.approx(error, abs=1e-5)
    assert page.said == []


@pytest.mark.parametrize("state", STATES[1:4])
def test_its_python_runs_and_agrees(live_page, state):
    page = live_page("paths", starts=STARTS, **state)
    scope = {}
    exec(page.evaluate("figure.part.python()"), scope)
    found = shown(page)
    for name in ("states", "truth"):
        near(found[name], torch.stack(scope[name]))
    near(found["x_0"], scope["x_0"])
    assert found["middle"] == pytest.approx(scope["middle"].item())
    assert ("error" in scope) == (found["error"] is not None)
    if "error" in scope:
        assert found["error"] == pytest.approx(scope["error"].item(), abs=1e-5)


def test_what_it_says_is_what_it_shows(live_page):
    page = live_page("paths", steps=10)
    said = page.locator(".live-said")
    page.wait_for_function("document.querySelector('.live-said').textContent.startsWith('10 calls')")
    found = shown(page)
    assert f"{100 * found['middle']:.1f} %" in said.inner_text() and f"{found['error']:.3f}" in said.inner_text()
    assert 0.01 < found["true_ones"]["middle"] < 0.04 and found["true_ones"]["misplaced"] < found["misplaced"]
    page.evaluate("figure.set({ steps: 100, sampler: 'dpm_solver' })")
    page.wait_for_function("document.querySelector('.live-said').textContent.includes('less than 0.001')")
    page.get_by_label("sampler", exact=True).select_option("ddpm")
    page.wait_for_function("document.querySelector('.live-said').textContent.includes('fresh noise')")
    assert not page.get_by_label("η, how much of the noise is fresh", exact=True).is_visible()


def test_a_start_can_be_dragged_and_moved_by_keys(live_page):
    page = live_page("paths", window={"has_touch": True})
    page.wait_for_timeout(300)
    before = shown(page)
    handle = page.get_by_role("slider", name="start 3")
    handle.focus()
    page.keyboard.press("Shift+ArrowUp")
    assert page.evaluate("figure.state.starts") == [-2, -1.05, 0.4, 0.85, 1.8]
    after = shown(page)
    assert [x[0] for x in after["states"]] == [x[0] for x in before["states"]]
    assert before["truth"][-1][2] < 0 < after["truth"][-1][2]  # it goes to the other bell now
    page.wait_for_timeout(100)
    assert handle.get_attribute("aria-valuetext").startswith("0.4, ends at 0.")
    box = handle.bounding_box()
    x, y = box["x"] + 22, box["y"] + 22
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 2000, steps=4)
    page.mouse.up()
    assert page.evaluate("figure.state.starts[2]") == -2.4
    assert after["x_0"] == shown(page)["x_0"]  # the thousand have starts of their own


def test_more_steps_run_to_their_end_and_can_be_paused(live_page):
    page = live_page("paths", steps=50)
    page.get_by_role("button", name="More and more steps").click()
    page.wait_for_function("figure.state.steps === 100 && figure.running === null")
    page.get_by_role("button", name="More and more steps").click()  # begins again
    page.wait_for_function("figure.state.steps === 2")
    page.get_by_role("button", name="Pause").click()
    page.evaluate("figure.set({ steps: 1000, sampler: 'ddpm' })")
    page.get_by_role("button", name="Other noise").click()
    page.wait_for_function("document.querySelector('.live-said').textContent.startsWith('1000 calls')")
    assert page.evaluate("[figure.state.steps, figure.state.seed, figure.running]") == [1000, 2, None]
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("figure.state") == page.evaluate("figure.initial()")
    assert page.said == []


def test_the_page_answers_while_it_computes(live_page):
    page = live_page("paths")
    page.wait_for_timeout(300)
    # In no frame is more done than a piece, though a thousand points take a thousand steps.
    pieces = page.evaluate("""async () => {
        let frames = 0;
        const { draw } = figure.part;
        figure.part.draw = () => { frames += 1; draw(); };
        figure.set({ steps: 1000, seed: 7 });
        while (!document.querySelector(".live-said").textContent.startsWith("1000 calls")) {
            await new Promise(requestAnimationFrame);
        }
        return frames;
    }""")
    assert pieces > 2
