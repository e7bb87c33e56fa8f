"""Live figures in a real JupyterLab: a cell is run, and its figure is drawn, in the theme's colours, and answers."""

import json
import os
import subprocess
import sys
import time

import nbformat
import pytest

SETTINGS = {
    "themes": {"theme": "JupyterLab Dark"},
    "notification": {"fetchNews": "false", "checkForUpdates": False},  # nothing is asked of the network
}
FOLDERS = ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR"]
CELL = 'from diffusion_lab import live\n\nlive.figure("two-bells")'


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab with nothing in it but one notebook, and with nobody's settings."""
    pytest.importorskip("jupyterlab")
    (tmp_path / "work").mkdir()
    spec = {"name": "python3", "display_name": "Python 3"}
    cells = [nbformat.v4.new_code_cell(CELL)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), tmp_path / "work/one.ipynb")
    folder = tmp_path / "LAB_SETTINGS_DIR/@jupyterlab/apputils-extension"
    folder.mkdir(parents=True)
    for name, settings in SETTINGS.items():
        (folder / f"{name}.jupyterlab-settings").write_text(json.dumps(settings))
    own = {f"JUPYTER{'' if name.startswith('LAB') else '_'}{name}": str(tmp_path / name) for name in FOLDERS}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    command += ["--ServerApp.token=", "--ServerApp.password=", f"--ServerApp.root_dir={tmp_path / 'work'}"]
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log, cwd=tmp_path / "work")
        try:
            for _ in range(600):
                if found := list((tmp_path / "RUNTIME_DIR").glob("jpserver-*.json")):
                    break
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
            yield json.loads(found[0].read_text())["url"]
        finally:
            server.terminate()
            server.wait(30)


def test_a_cell_draws_a_figure_that_answers(lab, chromium):
    page = chromium.new_page(viewport={"width": 1200, "height": 950})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{lab}lab/tree/one.ipynb")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator(".lm-Menu-item", has_text="Run All Cells").first.click()
    page.wait_for_function("document.querySelector('.live-said')?.textContent.includes('so v = 0.443')", timeout=60_000)
    cells = page.locator(".jp-Cell").count()

    # JupyterLab's own keys: arrows go from cell to cell or fold a heading, b makes a new cell. Not in a figure.
    slider = page.get_by_label("mean of the first, m₁", exact=True)
    slider.focus()
    for key in ("ArrowRight", "ArrowUp", "b", "ArrowRight"):
        page.keyboard.press(key)
    assert slider.input_value() == "-1.85"
    handle = page.get_by_role("slider", name="top of bell 2")
    handle.focus()
    page.keyboard.press("Shift+ArrowLeft")
    box = page.get_by_label("mean of the second, m₂, as a number")
    assert box.input_value() == "1.5"
    page.wait_for_timeout(100)
    at = handle.bounding_box()
    page.mouse.move(at["x"] + 22, at["y"] + 22)
    page.mouse.down()
    page.mouse.move(at["x"] - 60, at["y"] + 22, steps=3)
    page.mouse.up()
    assert float(box.input_value()) < 1
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Enter")
    assert slider.input_value() == "-2"
    assert page.locator(".jp-Cell").count() == cells

    # Light on dark, and dark on light as soon as the theme is another one.
    look = """() => {
        const style = getComputedStyle(document.querySelector(".live"));
        const canvas = document.querySelector(".live canvas");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [style.color, style.backgroundColor, style.getPropertyValue("--live-model"), pixels.join()];
    }"""
    dark = page.evaluate(look)
    assert brightness(dark[0]) > 200 > 60 > brightness(dark[1])
    page.get_by_role("menuitem", name="Settings").click()
    page.locator(".lm-Menu-item", has_text="Theme").first.hover()
    page.locator(".lm-Menu-item", has_text="JupyterLab Light").first.click()
    page.wait_for_function("document.body.dataset.jpThemeLight === 'true'")
    page.wait_for_timeout(300)
    light = page.evaluate(look)
    assert brightness(light[0]) < 60 < 200 < brightness(light[1])
    assert dark[2] != light[2] and dark[3] != light[3]
    assert errors == []
    page.close()


def test_a_figure_is_drawn_anew_when_the_theme_changes(live_page):
    page = live_page("two-bells")
    page.wait_for_function("figure.stale === false")
    page.evaluate("""() => {
        figure.part.draw = () => { globalThis.drawn_in = figure.color("model"); };
        document.body.dataset.jpThemeLight = "false";
    }""")
    page.wait_for_function("globalThis.drawn_in === '#ee8132'")


def brightness(color):
    """Of a colour that a browser computed, ``rgb(0, 0, 0)`` or ``rgba(…)``: the mean of red, green and blue."""
    return sum(float(each) for each in color[color.index("(") + 1 : -1].split(",")[:3]) / 3
