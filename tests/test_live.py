"""Live figures: their JavaScript says what the package says, and what all of them share works by every means."""

import json
import re
import urllib.parse

import pytest
import torch
from live_figures import call
from torch.testing import assert_close

from diffusion_lab import (
    TARGETS,
    ExactDenoiser,
    NoiseSchedule,
    add_noise,
    convert,
    ddim,
    ddpm,
    dpm_solver,
    figures,
    live,
    posterior,
    walk,
)

MIRROR = ["schedule.js", "noising.js", "targets.js", "exact.js", "steps.js", "sampling.js", "random.js", "plot.js"]
MAKE = "NoiseSchedule.{kind}({arguments})"
SCHEDULES = [("linear", [50]), ("linear", [1]), ("scaled_linear", [40]), ("cosine", [30]), ("constant", [7, 0.2])]
STEPS = {"ddpm": [(), ("beta",)], "ddim": [(), (0.5,), (1.0,)], "dpm_solver": [(), (0.5,), (1.0,)]}
MEANS, STDS, WEIGHTS = [[-2.0, 0.5], [0.5, 1.0], [1.5, -1.0]], [0.3, 0.0, 0.5], [0.5, 0.2, 0.3]


def near(found, expected, atol=1e-5):
    assert_close(torch.as_tensor(found, dtype=torch.float64), expected.double().flatten(), atol=atol, rtol=1e-5)


@pytest.fixture(scope="module")
def js(chromium):
    """``js("text", x=...)``: what a text of JavaScript gives, with all that mirrors the package in scope."""
    page = chromium.new_page()
    page.add_script_tag(content=live.bundle(*MIRROR))

    def run(text, **given):
        given = {name: each.flatten().tolist() if torch.is_tensor(each) else each for name, each in given.items()}
        names = "".join(f"const {name} = given.{name};" for name in given)
        plain = "const plain = (x) => ArrayBuffer.isView(x) || Array.isArray(x) ? Array.from(x, plain) : x;"
        return page.evaluate(f"(given) => {{ {names} {plain} return plain({text}); }}", given)

    yield run
    page.close()


@pytest.mark.parametrize(("kind", "arguments"), SCHEDULES)
def test_schedules_have_the_same_tables(js, kind, arguments):
    schedule = getattr(NoiseSchedule, kind)(*arguments)
    made = MAKE.format(kind=kind, arguments=", ".join(map(str, arguments)))
    for table in ("beta", "alpha", "alpha_bar", "posterior_variance"):
        near(js(f"{made}.{table}"), getattr(schedule, table), atol=1e-12)
    for steps in {1, min(3, schedule.T), schedule.T}:
        assert js(f"{made}.times({steps})") == schedule.times(steps)
    assert js(f"{made}.T") == schedule.T
    assert js(f"{made}.signal_left") == pytest.approx(schedule.signal_left, abs=1e-12)


def test_every_number_of_steps_visits_the_same_times(js):
    schedule = NoiseSchedule.linear(T=50)  # where halves are to be rounded
    theirs = js("Array.from({length: 50}, (_, i) => NoiseSchedule.linear(50).times(i + 1))")
    assert theirs == [schedule.times(steps) for steps in range(1, 51)]


def test_noising_and_the_way_back(js, g):
    x_0, eps = torch.randn(2, 4, 3, dtype=torch.float64, generator=g)
    schedule = NoiseSchedule.cosine(T=20)
    for t in (0, 1, 7, 20):
        near(
            js("add_noise(x_0, t, eps, NoiseSchedule.cosine(20))", x_0=x_0, eps=eps, t=t),
            add_noise(x_0, t, eps, schedule),
        )
    for t, s in ((1, 0), (9, 8), (20, 3)):
        mean, variance = posterior(x_0, eps, t, schedule, s)
        found = js("posterior(x_0, x_t, t, NoiseSchedule.cosine(20), s)", x_0=x_0, x_t=eps, t=t, s=s)
        near(found[0], mean)
        assert found[1] == pytest.approx(variance[0].item(), abs=1e-9)


def test_targets_say_the_same_of_each_other(js, g):
    x_t, out = torch.randn(2, 4, 3, dtype=torch.float64, generator=g)
    schedule = NoiseSchedule.cosine(T=20)
    names = js("Object.keys(TARGETS)")
    assert set(names) == TARGETS.keys() - {"edm"}  # EDM's is for another path, which no figure shows
    for source in names:
        for target in set(names) - {source}:
            found = js(f"convert(x_t, 7, out, NoiseSchedule.cosine(20), '{source}', '{target}')", x_t=x_t, out=out)
            near(found, convert(x_t, 7, out, schedule, source, target))


def exact(schedule):
    means = torch.tensor(MEANS, dtype=torch.float64)
    made = "new ExactDenoiser(means, stds, weights, NoiseSchedule.cosine(20), 2)"
    return (
        ExactDenoiser.mixture(means, STDS, WEIGHTS, schedule),
        made,
        {"means": means, "stds": STDS, "weights": WEIGHTS},
    )


def test_the_exact_denoiser_is_the_package_s(js, g):
    x_t = 2 * torch.randn(6, 2, dtype=torch.float64, generator=g)
    denoiser, made, given = exact(NoiseSchedule.cosine(T=20))
    for t in (1, 8, 20):
        near(js(f"{made}.x_0(x_t, {t})", x_t=x_t, **given), denoiser.x_0(x_t, t))
        near(js(f"{made}.eps(x_t, {t})", x_t=x_t, **given), denoiser(x_t, t))
        near(js(f"{made}.score(x_t, {t})", x_t=x_t, **given), denoiser.score(x_t, t))
        near(js(f"{made}.log_prob(x_t, {t})", x_t=x_t, **given), denoiser.log_prob(x_t, t))
        shares = torch.tensor(js(f"{made}.shares(x_t, {t})", x_t=x_t, **given)).view(6, 3)
        assert_close(shares.sum(1), torch.ones(6))
    points = torch.randn(5, 2, dtype=torch.float64, generator=g)
    near(
        js("ExactDenoiser.dataset(points, NoiseSchedule.cosine(20), 2).x_0(x_t, 9)", points=points, x_t=x_t),
        ExactDenoiser.dataset(points, NoiseSchedule.cosine(T=20)).x_0(x_t, 9),
    )


@pytest.mark.parametrize(("name", "given"), [(name, each) for name, all_ in STEPS.items() for each in all_])
@pytest.mark.parametrize("times", [None, [20, 13, 4, 0], [11, 2, 1]], ids=["all", "few", "from half-way"])
def test_samplers_walk_the_same_way(js, g, name, given, times):
    schedule = NoiseSchedule.cosine(T=20)
    denoiser, made, arguments = exact(schedule)
    start = torch.randn(6, 2, dtype=torch.float64, generator=g)
    again = torch.Generator().manual_seed(5)
    noise = torch.stack([torch.randn(6, 2, dtype=torch.float64, generator=again) for _ in range(20)])
    step = {"ddpm": ddpm, "ddim": ddim, "dpm_solver": dpm_solver}[name](*given)
    again.manual_seed(5)
    ours = list(walk(denoiser, start, schedule, step, times=times or schedule.times(), generator=again))
    step = f"{name}({', '.join(map(json.dumps, given))})"
    options = "{times: times ?? undefined, noise: (n) => noise.slice(n * used, n * ++used)}"
    text = (
        f"(() => {{ let used = 0; return [...walk({made}, start, NoiseSchedule.cosine(20), {step}, {options})]; }})()"
    )
    theirs = js(text, start=start, noise=noise, times=times, **arguments)
    assert len(theirs) == len(ours)
    for x, x_t in zip(theirs, ours, strict=True):
        near(x, x_t)


def test_noise_is_normal_and_the_same_for_a_seed(js):
    draws = torch.tensor(js("new Random(3).normals(20000)"), dtype=torch.float64)
    luck = 5 / 20_000**0.5
    assert abs(draws.mean()) < luck and abs(draws.var() - 1) < luck * 2**0.5
    assert abs((draws**3).mean()) < luck * 15**0.5 and abs((draws[1:] * draws[:-1]).mean()) < luck
    assert js("new Random(3).normals(5)") == draws[:5].tolist()
    assert js("new Random(4).normals(5)") != draws[:5].tolist()


def test_histograms_and_round_numbers(js):
    edges, heights = js("histogram([0.1, 0.2, 0.9, 5], 0, 1, 2)")
    assert edges == [0, 0.5, 1] and heights == [1.0, 0.5]  # the 5 lies outside: its quarter is nowhere
    assert js("round_numbers(-3, 10.5, 6)") == [0, 5, 10]
    assert js("round_numbers(0, 0.3, 3)") == [0, 0.1, 0.2, 0.3]


# ---- what all figures share ----


def test_bundles_refuse_what_they_do_not_understand(monkeypatch, tmp_path):
    monkeypatch.setattr(live, "HERE", tmp_path)
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    (tmp_path / "c.js").write_text('import c from "./a.js";\n')
    with pytest.raises(ValueError, match=r"a\.js: expected no circle of imports, got a\.js > b\.js > a\.js"):
        live.bundle("a.js")
    with pytest.raises(ValueError, match=r"c\.js: expected import \{ name \}"):
        live.bundle("c.js")


def test_a_figure_that_is_not_there():
    for function in (live.figure, live.page_script):
        with pytest.raises(ValueError, match=r"name: expected one of .*two-bells.*; got 'three-bells'"):
            function("three-bells")


def test_cells_are_read():
    assert call('from diffusion_lab import live\n\nlive.figure("two-bells", m_1=-1.5)') == ("two-bells", {"m_1": -1.5})
    with pytest.raises(ValueError, match=r"expected live\.figure"):
        call("print(1)")


def test_a_widget_has_the_figure_and_what_it_is_given():
    widget = live.figure("two-bells", m_1=1.5)
    assert "export default" in widget._esm and "two_bells" in widget._esm and ".live" in widget._css
    assert widget.given == {"m_1": 1.5}
    assert repr(widget) == "A live figure, 'two-bells': run the cell to play with it."


def test_a_widget_draws_and_has_no_link(chromium):
    page = chromium.new_page()
    page.set_content("<div id='cell'></div>")
    module = live.figure("two-bells", m_1=1.5)._esm
    page.evaluate(
        """async (text) => {
            const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
            const model = { get: () => ({ m_1: 1.5 }) };
            module.default.render({ model, el: document.getElementById("cell") });
        }""",
        module,
    )
    assert page.get_by_label("mean of the first, m₁", exact=True).input_value() == "1.5"
    assert page.locator(".live-link").count() == 0
    page.close()


@pytest.mark.parametrize("name", live.FIGURES)
def test_every_figure_is_whole(live_page, name):
    page = live_page(name)
    page.wait_for_timeout(300)
    assert page.locator(".live").get_attribute("aria-label")
    assert page.get_by_role("button", name="Reset", include_hidden=True).count() == 1  # folded away in a plain figure
    assert page.evaluate("figure.name") == name
    assert page.said == []
    page.evaluate("figure.numbers()")
    code = page.evaluate("figure.part.python?.()")
    if code:
        compile(code, name, "exec")


@pytest.mark.parametrize("name", live.FIGURES)
@pytest.mark.parametrize("look", ["desktop", "phone", "dark"])
def test_every_figure_is_accessible(live_page, name, look):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    sizes = {"viewport": {"width": 360, "height": 780}} if look == "phone" else {}
    page = live_page(name, window=sizes | {"color_scheme": "dark" if look == "dark" else "light"})
    page.wait_for_timeout(200)
    found = axe.run(page, context=".live").response["violations"]
    assert found == [], [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = """() => [...document.querySelectorAll(".live :is(button, select, input, summary, a, .live-handle)")]
        .filter((each) => each.getClientRects().length && !each.disabled)
        .map((each) => [each.outerHTML.slice(0, 90), (each.closest("label") ?? each).getBoundingClientRect()])
        .filter(([, box]) => Math.min(box.width, box.height) < 43.5).map(([words]) => words)"""
    assert page.evaluate(small) == []


@pytest.mark.parametrize("name", live.FIGURES)
def test_the_link_carries_the_state(live_page, name):
    page = live_page(name)
    fields = page.evaluate("Object.keys(figure.fields)")
    # Every field as far from where it begins as a typed value can bring it.
    page.evaluate("""() => {
        for (const [key, field] of Object.entries(figure.fields)) {
            const tries = ["1", "2", "true", "false", ...(field.options ?? []), "1~2", "1~2~3~4"];
            const value = tries.map(field.read).find((each) => each !== undefined);
            if (value !== undefined) figure.set({ [key]: value });
        }
    }""")
    state, link = page.evaluate("[figure.state, figure.link.getAttribute('href')]")
    again = live_page(name, address=link)
    assert again.evaluate("figure.state") == state
    assert set(state) == set(fields)
    assert page.said == again.said == []
    page.evaluate("[...document.querySelectorAll('button')].find((each) => each.textContent === 'Reset').click()")
    assert page.evaluate("figure.link.getAttribute('href')") == f"#live-{name}"


@pytest.mark.parametrize("name", live.FIGURES)
def test_nonsense_does_no_harm(live_page, name):
    nonsense = ["", "0", "-1", "1e999", "NaN", "null", "<b>", "%", "%E0%A4%A", "__proto__", "1~~2", "~", "9" * 400]
    page = live_page(name, address=f"#live-{name}&nothing=1&&=&__proto__=1")
    keys = page.evaluate("Object.keys(figure.fields)")
    before = page.evaluate("figure.state")
    assert before == page.evaluate("figure.initial()")
    for text in nonsense:
        words = "&".join(f"{key}={urllib.parse.quote(text)}" for key in keys)
        page.evaluate("(hash) => figure.follow(hash)", f"#live-{name}&{words}")
        page.evaluate("figure.part.draw()")
    for box in page.locator(".live input[type=number]").all():
        if box.is_visible():
            for text in ("0", "-5", "1e99", ""):
                box.fill(text)
                box.blur()
                low, high = (float(box.get_attribute(each)) for each in ("min", "max"))
                assert low <= float(box.input_value()) <= high
    page.wait_for_timeout(100)
    assert page.said == []


@pytest.mark.parametrize("name", live.FIGURES)
def test_nobody_looks_nothing_is_computed(live_page, name):
    page = live_page(name, window={"viewport": {"width": 800, "height": 600}})
    page.wait_for_timeout(200)
    page.evaluate("""() => {
        const far = Object.assign(document.createElement("div"), { style: "height: 5000px" });
        document.querySelector("main").prepend(far);
        globalThis.drawn = 0;
        const draw = figure.part.draw;
        figure.part.draw = () => { globalThis.drawn += 1; draw(); };
        scrollTo(0, 0);
    }""")
    page.wait_for_timeout(200)
    page.evaluate("globalThis.drawn = 0; figure.start(() => { figure.stale = true; })")
    page.wait_for_timeout(300)
    assert page.evaluate("drawn") == 0
    page.evaluate("figure.element.scrollIntoView()")
    page.wait_for_timeout(300)
    assert page.evaluate("drawn") > 3


def test_controls_listen_to_keys_pointers_and_words(live_page):
    page = live_page("two-bells")
    slider = page.get_by_label("mean of the first, m₁", exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("figure.state.m_1") == -1.95
    box = page.get_by_label("mean of the first, m₁, as a number")
    box.fill("99")
    box.blur()
    assert page.evaluate("figure.state.m_1") == 5
    page.wait_for_timeout(100)
    handle = page.get_by_role("slider", name="top of bell 2")
    handle.focus()
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("figure.state.m_2") == 1.5
    page.wait_for_timeout(100)
    frame = handle.bounding_box()
    x, y = frame["x"] + 22, frame["y"] + 22
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 30, steps=3)
    page.mouse.up()
    state = page.evaluate("figure.state")
    assert state["m_2"] < 1 and state["s_2"] < 0.75
    said = page.locator(".live-said").inner_text()
    mean = page.evaluate("figure.numbers().mean")
    assert f"{mean:.3f}" in said
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("figure.state") == page.evaluate("figure.initial()")


def test_the_python_of_two_bells_gives_what_is_seen(live_page):
    page = live_page("two-bells", s_1=0.7, m_2=1.25)
    scope = {}
    exec(page.evaluate("figure.part.python()"), scope)
    assert {name: scope[name] for name in ("mean", "variance")} == pytest.approx(page.evaluate("figure.numbers()"))


def test_colours_are_the_book_s():
    """Where the page has no colours of its own, a figure's are those of the pictures, or darker to be read as words."""
    style = (live.HERE / "live.css").read_text()
    used = dict(re.findall(r"--live-(\w+): var\(--dl-\w+, (#\w+)\)", style))
    for meaning in ("data", "model"):
        assert used[meaning].lower() == figures.COLORS[meaning].lower()
