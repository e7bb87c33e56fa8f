"""The live figure of the S-curve, and what it is made of: the network in JavaScript, and points that walk in parts."""

import base64
import math

import numpy as np
import pytest
import torch
from conftest import with_noise
from torch.testing import assert_close

from diffusion_lab import (
    MLP,
    TARGETS,
    Denoiser,
    NoiseSchedule,
    datasets,
    ddim,
    ddpm,
    dpm_solver,
    energy_distance,
    live,
    load_pretrained,
    sample,
    walk,
)
from diffusion_lab.models.embedding import sinusoidal_embedding

MIRROR = ["mlp.js", "schedule.js", "steps.js", "random.js"]
OWN = ["clouds.js", "answers.js", "crowd.js", "weights/s-curve.js"]
WEIGHTS = live.HERE / "weights" / "s-curve.safetensors"
STEP = {"ddim": ddim, "ddpm": lambda eta: ddpm(), "dpm_solver": dpm_solver}
STATES = [
    {},
    {"sampler": "ddpm", "steps": 20, "seed": 5, "t": 60, "probe": [1.5, -2]},
    {"sampler": "dpm_solver", "steps": 20, "t": 1},
    {"sampler": "dpm_solver", "eta": 0.5, "steps": 7, "t": 100},
    {"denoiser": "truth", "eta": 1, "steps": 20, "t": 3},
    {"denoiser": "copier", "sampler": "ddpm", "steps": 20, "t": 10},
    {"denoiser": "copier", "examples": 1, "cloud": "ring", "steps": 1},
    {"cloud": "moons", "steps": 3},
    {"cloud": "spiral", "denoiser": "truth", "t": 0},
    {"cloud": "drawn", "drawing": [0, 0, 0.5, 1.25, -1], "steps": 4},
    {"cloud": "drawn", "drawing": [], "steps": 2},
]


def near(found, expected, atol=1e-5):
    assert_close(torch.tensor(found, dtype=torch.float64), expected.double().flatten(), atol=atol, rtol=1e-5)


@pytest.fixture(scope="module")
def js(chromium):
    """``js("text", x=...)``: what a text of JavaScript gives, with the modules above in scope."""
    page = chromium.new_page()
    page.add_script_tag(content=live.bundle(*MIRROR, *OWN))

    def run(text, /, **given):
        names = "".join(f"const {name} = given.{name};" for name in given)
        plain = "const plain = (x) => ArrayBuffer.isView(x) || Array.isArray(x) ? Array.from(x, plain) : x;"
        return page.evaluate(f"(given) => {{ {names} {plain} return plain({text}); }}", given)

    yield run
    page.close()


@pytest.mark.parametrize("t", [0, 1, 37, 100])
def test_the_embedding_of_a_time(js, t):
    near(js("sinusoidal_embedding(t, 16)", t=t), sinusoidal_embedding(torch.tensor([t]), 16))


def in_javascript(network):
    layers = {name: weights.flatten().tolist() for name, weights in network.state_dict().items()}
    return "new MLP(layers, options)", {"layers": layers, "options": network.options}


@pytest.mark.parametrize(("options", "rows"), [((2, 64, 3), 9), ((1, 8, 1), 4), ((3, 16, 2), 1), ((2, 24, 4), 6)])
def test_the_network_answers_alike(js, g, options, rows):
    network = MLP(*options).double()
    made, given = in_javascript(network)
    x_t = torch.randn(rows, options[0], dtype=torch.float64, generator=g)
    for t in (1, 50, 100):
        with torch.no_grad():
            ours = network(x_t, torch.full((rows,), t))
        near(js(f"{made}.forward(Float64Array.from(x_t), t)", x_t=x_t.flatten().tolist(), t=t, **given), ours)


@pytest.mark.parametrize("target", sorted(TARGETS.keys() - {"edm"}))
def test_a_network_becomes_a_denoiser(js, g, target):
    network, schedule = MLP(2, 16, 2).double(), NoiseSchedule.cosine(T=20)
    denoiser = Denoiser(network, schedule, target)
    made, given = in_javascript(network)
    x_t = torch.randn(5, 2, dtype=torch.float64, generator=g)
    given |= {"x_t": x_t.flatten().tolist(), "target": target}
    made = f"new Denoiser({made}, NoiseSchedule.cosine(20), target)"
    with torch.no_grad():
        near(js(f"{made}.x_0(Float64Array.from(x_t), 7)", **given), denoiser.x_0(x_t, 7))
        near(js(f"{made}.eps(Float64Array.from(x_t), 7)", **given), denoiser(x_t, 7))


def test_half_precision_is_read_to_the_last_bit(js):
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)]
    found = js("halves(text)", text=base64.b64encode(every.astype("<f2").tobytes()).decode())
    assert found == every.astype(float).tolist()


def test_the_weights_of_the_page_are_those_of_the_package(js):
    denoiser = load_pretrained(WEIGHTS)
    for name, weights in denoiser.network.state_dict().items():
        assert js("halves(s_curve_weights.layers[name])", name=name) == weights.flatten().tolist()
    assert set(js("Object.keys(s_curve_weights.layers)")) == denoiser.network.state_dict().keys()
    assert js("s_curve_weights.options") == denoiser.network.options
    assert js("s_curve_weights.target") == denoiser.target
    near(js("schedule.alpha_bar"), denoiser.path.alpha_bar, atol=1e-12)
    assert WEIGHTS.with_suffix(".js").stat().st_size < 60_000
    assert denoiser.card["command"] == "python book/tools/live_weights.py"


def test_the_network_has_learned_the_s(g):
    denoiser = load_pretrained(WEIGHTS)
    x_0 = sample(denoiser, (4000, 2), denoiser.path, dpm_solver(), steps=20, generator=g)
    assert energy_distance(x_0, datasets.s_curve(4000, generator=g)) < 3e-3  # fresh points: up to 1e-3, by luck


@pytest.mark.parametrize("name", STEP)
def test_points_that_walk_in_parts_walk_as_one(js, name):
    """250 points are two parts and a half; all of them get the noise that one walk of all would get."""
    n = 250
    text = f"""(() => {{
        const crowd = new Crowd(denoiser_of("network", {{}}), schedule, {name}({"" if name == "ddpm" else "0.7"}),
            {{ n: {n}, dim: 2, steps: 20, seed: 6 }});
        crowd.go();
        return [...crowd.states, crowd.at(97.5), crowd.at(2), [crowd.reached]];
    }})()"""
    *found, between, near_the_end, reached = js(text)
    random = live.Random(6)
    step = STEP[name](0.7)
    denoiser = load_pretrained(WEIGHTS).double()
    ours = list(walk(denoiser, random.normals(n, 2), denoiser.path, with_noise(step, random), steps=20))
    for x, x_t in zip(found, ours, strict=True):
        near(x, x_t)
    near(between, (ours[0] + ours[1]) / 2)
    near(near_the_end, 0.4 * ours[-2] + 0.6 * ours[-1])
    assert reached == [0]


def test_a_walk_is_seen_as_far_as_it_has_come(js):
    made = 'new Crowd(denoiser_of("network", {}), schedule, ddim(), { n: 3, dim: 2, steps: 5, seed: 1 })'
    assert js(f"{made}.at(40)") == js("new Random(1).normals(6)")
    assert js(f"{made}.reached") == 100
    one_step = f"(() => {{ const crowd = {made}; crowd.go(0); crowd.go(0); return crowd; }})()"
    early, first, times = js(f"((crowd) => [crowd.at(10), crowd.at(80), crowd.times])({one_step})")
    assert early == first != js("new Random(1).normals(6)")
    assert times == [100, 80, 60, 40, 20, 0]


def test_the_s_is_the_chapter_s(js):
    line = torch.tensor(js("CLOUDS.s.line"), dtype=torch.float64).view(-1, 2)
    place = (torch.arange(100) + 0.5) / 100 * 3 * math.pi - 1.5 * math.pi
    assert_close(line, torch.stack([place.sin(), place.sign() * (place.cos() - 1)], dim=1).double(), atol=1e-5, rtol=0)
    points = torch.tensor(js("points(CLOUDS.s.line, 4000, new Random(1))")).view(-1, 2)
    g = torch.Generator().manual_seed(0)
    fresh, others = (datasets.s_curve(4000, generator=g) for _ in range(2))
    assert energy_distance(points.float(), fresh) < 2 * energy_distance(others, fresh)


def test_clouds_are_as_large_as_noise(js):
    """Samplers begin with noise of variance 1, and the plane that is seen is 6 wide."""
    for line in js("Object.values(CLOUDS).map((cloud) => cloud.line)"):
        line = torch.tensor(line, dtype=torch.float64).view(-1, 2)
        assert len(line) == 100 and line.abs().max() < 2.5 and 0.5 < line.var(0).mean() < 2


def test_how_far_points_are_from_places(js):
    assert js("stroke([0, 0, 3, 4], [0, 0, 3, 3])") == pytest.approx(0.5**0.5)


def test_a_pen_leaves_dots_at_equal_distances(js):
    assert js("pen(null, [1, 2], 0.5)") == [1, 2]
    assert js("pen([0, 0], [0, 0], 0.5)") == js("pen([0, 0], [0.3, 0.3], 0.5)") == []
    assert js("pen([0, 0], [0, 1.2], 0.5)") == pytest.approx([0, 0.5, 0, 1])


def test_the_python_beside_it_gives_what_is_seen(live_page):
    page = live_page("s-curve")
    for state in STATES:
        page.evaluate("(state) => figure.set({ ...figure.initial(), ...state })", state)
        found, code = page.evaluate("[figure.numbers(), figure.part.python()]")
        scope = {}
        exec(code, scope)
        names = ["data", "noised", "samples"] + (["guess", "score"] if state.get("t") != 0 else [])
        assert found.keys() == {"who", "times", *names}
        for name in names:
            near(found[name], scope[name])
        assert found["times"] == scope["schedule"].times(state.get("steps", 20))
    assert page.said == []


def said(page):
    page.wait_for_function("!figure.stale && !figure.running")
    return page.locator(".live-said").inner_text()


def frames(page, n, seconds=0.1):
    """So many frames of the film, without waiting for them."""
    page.evaluate("([n, seconds]) => { while (n-- && figure.running?.frame(seconds) !== false); }", [n, seconds])


def test_the_film_goes_back_stops_goes_on_and_ends(live_page):
    page = live_page("s-curve", steps=10)
    before = said(page)
    assert "best guess" in before and "t = 20" in before
    page.get_by_role("button", name="Noise to data").click()
    frames(page, 10)
    page.get_by_role("button", name="Pause").click()
    stopped = page.evaluate("figure.state.t")
    assert 0 < stopped < 100 and f"t = {stopped}:" in said(page)
    page.get_by_role("button", name="Noise to data").click()
    assert page.evaluate("figure.state.t") <= stopped
    frames(page, 100)
    page.wait_for_function("figure.state.t === 0")
    assert "2,000 new points" in said(page)
    page.get_by_role("button", name="Data to noise").click()
    frames(page, 100)
    page.wait_for_function("figure.state.t === 100")
    assert page.said == []


def test_the_film_waits_for_the_walk(live_page):
    page = live_page("s-curve", steps=100)
    said(page)
    page.get_by_role("button", name="Noise to data").click()
    frames(page, 1, seconds=60)
    assert page.evaluate("figure.state.t") > 10


def test_settings_may_change_while_it_samples(live_page):
    page = live_page("s-curve")
    page.get_by_role("button", name="Noise to data").click()
    for change in ({"steps": 3}, {"denoiser": "copier"}, {"cloud": "ring"}, {"seed": 8}, {"t": 50}, {"eta": 1}):
        frames(page, 3)
        page.evaluate("(change) => figure.set(change)", change)
        page.get_by_role("button", name="Data to noise").click()  # and twice at once
        page.get_by_role("button", name="Noise to data").click()
    frames(page, 200)
    page.wait_for_function("figure.state.t === 0 && !figure.running")
    assert page.evaluate("[figure.state.steps, figure.numbers().who]") == [3, "copier"]
    assert page.said == []


def test_the_probe_by_keys_and_pointer(live_page):
    page = live_page("s-curve")
    probe = page.get_by_role("slider", name="probe")
    x, y = page.evaluate("figure.state.probe")
    probe.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert page.evaluate("figure.state.probe") == pytest.approx([x + 0.1, y - 1])
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("figure.state.probe")[0] == 3
    box = page.locator("canvas").nth(1).bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    asked = page.evaluate("figure.state.probe")
    page.evaluate("""() => {
        globalThis.times_said = 0;
        const count = () => { globalThis.times_said += 1; };
        new MutationObserver(count).observe(figure.said, { childList: true, characterData: true, subtree: true });
    }""")
    page.mouse.move(middle[0] - 50, middle[1])
    page.mouse.move(*middle, steps=20)
    assert page.evaluate("times_said") < 8  # a few times a second, not for every move
    assert "(0.00, 0.00)" in said(page) and page.evaluate("figure.state.probe") == asked
    page.mouse.down()
    page.mouse.up()
    assert page.evaluate("figure.state.probe") == pytest.approx([0, 0], abs=0.02)


def test_the_network_knows_only_the_s(live_page):
    page = live_page("s-curve", cloud="ring")
    assert "the exact denoiser answers" in said(page) and page.evaluate("figure.numbers().who") == "truth"
    page.get_by_label("cloud").select_option("s")
    assert "the exact denoiser answers" not in said(page) and page.evaluate("figure.numbers().who") == "network"


def test_a_cloud_of_one_s_own(live_page):
    page = live_page("s-curve")
    page.get_by_role("button", name="Draw a cloud").click()
    assert "until then the S stands there" in said(page)
    box = page.locator("canvas").nth(0).bounding_box()
    left, top, size = box["x"], box["y"], box["width"]
    page.mouse.move(left + 0.3 * size, top + 0.5 * size)
    page.mouse.down()
    page.mouse.move(left + 0.7 * size, top + 0.5 * size, steps=5)
    page.mouse.up()
    drawing = page.evaluate("figure.state.drawing")
    assert drawing[:2] == pytest.approx([-1.2, 0], abs=0.02) and len(drawing) == 2 * 21
    samples = torch.tensor(page.evaluate("figure.numbers().samples")).view(-1, 2)
    assert samples[:, 1].std() < 0.2 and 0.5 < samples[:, 0].std() < 0.9
    again = live_page("s-curve", address=page.evaluate("figure.link.getAttribute('href')"))
    assert again.evaluate("figure.state") == page.evaluate("figure.state")
    # The pen runs dry.
    page.mouse.move(left, top)
    page.mouse.down()
    for i in range(1, 30):
        page.mouse.move(left + (i % 2) * size, top + i * size / 30)
    page.mouse.up()
    assert "empty after 100 dots" in said(page) and len(page.evaluate("figure.state.drawing")) == 200
    assert len(page.evaluate("figure.link.getAttribute('href')")) < 1500
    assert page.said == again.said == []


def touch(page, places):
    """A finger that goes from place to place."""
    send = page.context.new_cdp_session(page).send
    for i, (x, y) in enumerate(places):
        points = {"type": "touchMove" if i else "touchStart", "touchPoints": [{"x": x, "y": y}]}
        send("Input.dispatchTouchEvent", points)
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_draws_where_it_should_and_only_there(live_page):
    page = live_page("s-curve", cloud="moons", window={"has_touch": True, "viewport": {"width": 360, "height": 700}})
    paper = page.locator("canvas").nth(0)
    for cloud in ("moons", "drawn"):
        page.get_by_label("cloud").select_option(cloud)
        paper.scroll_into_view_if_needed()
        page.wait_for_function("!figure.stale && !figure.running")
        box, scrolled = paper.bounding_box(), page.evaluate("scrollY")
        touch(page, [(box["x"] + 60 + 10 * i, box["y"] + 100 - 5 * i) for i in range(10)])
        assert (len(page.evaluate("figure.state.drawing")) > 10) == (cloud == "drawn")
        assert cloud == "moons" or page.evaluate("scrollY") == scrolled
    page.mouse.move(box["x"] + 50, box["y"] + 50)  # with no button pressed
    before = page.evaluate("figure.state")
    page.mouse.move(box["x"] + 90, box["y"] + 50)
    assert page.evaluate("figure.state") == before
    assert page.said == []


def test_a_mouse_draws_nothing_on_another_cloud(live_page):
    page = live_page("s-curve", cloud="moons")
    before = page.evaluate("figure.state")
    box = page.locator("canvas").nth(0).bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 50)
    page.mouse.up()
    assert page.evaluate("figure.state") == before
