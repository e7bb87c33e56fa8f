"""Figures: grids to the pixel, animations to the frame, and a player that needs nothing but its page."""

import base64
import io
import re
from html.parser import HTMLParser

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lab import figures


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")


def picture(color, size=(12, 8), hole=None):
    """One colour, with a transparent corner of ``hole`` by ``hole`` pixels."""
    image = Image.new("RGBA", size, color)
    if hole:
        image.paste((0, 0, 0, 0), (0, 0, hole, hole))
    return image


COLORS = [(255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (255, 255, 0, 255), (0, 0, 0, 255)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("n", "columns", "gap"), [(5, 3, 2), (6, 3, 1), (2, 4, 0), (1, 1, 3)])
def test_image_grid_puts_each_image_in_its_place(channels, n, columns, gap):
    images = torch.linspace(-1, 1, n * channels * 4 * 6).view(n, channels, 4, 6)
    grid = figures.image_grid(images, columns, gap)
    rows = -(-n // columns)
    expected = torch.full((rows * (4 + gap) - gap, columns * (6 + gap) - gap, channels), 0.5)
    for i in range(n):
        y, x = i // columns * (4 + gap), i % columns * (6 + gap)
        expected[y : y + 4, x : x + 6] = (images[i].permute(1, 2, 0) + 1) / 2
    torch.testing.assert_close(grid, expected.squeeze(-1) if channels == 1 else expected)


def test_image_grid_clips_and_leaves_its_images_alone():
    images = torch.tensor([-3.0, 3.0]).view(2, 1, 1, 1).requires_grad_()
    assert figures.image_grid(images, 2, 0).tolist() == [[0.0, 1.0]]
    assert images.flatten().tolist() == [-3, 3]


def test_show_images_draws_the_grid():
    images = torch.linspace(-1, 1, 5 * 16).view(5, 1, 4, 4)
    figures.show_images(images, columns=3, title="five")
    ax = plt.gca()
    [shown] = ax.get_images()
    np.testing.assert_allclose(shown.get_array(), figures.image_grid(images, 3))
    assert (ax.get_title(), shown.get_clim()) == ("five", (0, 1))


def test_a_cloud_draws_every_point():
    points = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    _, ax = plt.subplots()
    figures.cloud(ax, points, limit=3)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), points)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((-3, 3), (-3, 3), 1.0)


def test_clouds_have_a_panel_each():
    states = [torch.full((3, 2), float(i)) for i in range(7)]
    figure = figures.clouds(states, [f"t = {i}" for i in range(7)], columns=5)
    used = [ax for ax in figure.axes if ax.collections]
    assert [ax.get_title() for ax in used] == [f"t = {i}" for i in range(7)]
    assert [ax.collections[0].get_offsets()[0, 0] for ax in used] == list(range(7))


def test_the_style_is_transparent_and_readable_on_black_and_white():
    with plt.rc_context():
        figures.use_style()
        image = np.asarray(figures.frame(plt.figure()))
        assert (image[..., 3] == 0).all()
        assert plt.rcParams["text.color"] == plt.rcParams["axes.edgecolor"] == figures.GREY


def test_frame_closes_its_figure():
    figure = plt.figure(figsize=(2, 1))
    image = figures.frame(figure, dpi=50)
    assert (image.mode, image.size) == ("RGBA", (100, 50))
    assert not plt.fignum_exists(figure.number)


def test_a_gif_has_its_frames_durations_and_holes(tmp_path):
    frames = [picture(color, hole=3 + i) for i, color in enumerate(COLORS)]
    figures.save_gif(frames, tmp_path / "a.gif", milliseconds=70)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (5, (12, 8), 0)
        for i, original in enumerate(frames):
            gif.seek(i)
            assert gif.info["duration"] == 70
            np.testing.assert_array_equal(np.asarray(gif.convert("RGBA"))[..., 3], np.asarray(original)[..., 3])
            np.testing.assert_array_equal(np.asarray(gif.convert("RGBA"))[-1, -1], np.asarray(original)[-1, -1])


def test_a_gif_takes_pictures_without_transparency(tmp_path):
    figures.save_gif([picture(color).convert("RGB") for color in COLORS[:2]], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 2


class Elements(HTMLParser):
    """Every element of a page with its attributes, unescaped as a browser does it."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def one(self, tag, **wanted):
        [match] = [a for t, a in self.found if t == tag and wanted.items() <= a.items()]
        return match


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_player_carries_every_frame_in_one_picture(n):
    frames = [picture(color) for color in COLORS[:n]]
    page = Elements(figures.player(frames, "five colours", start=n - 1).data)
    slider = page.one("input", type="range")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", str(n - 1), str(n - 1))
    style = page.one("div", role="img")["style"]
    [data] = re.findall(r"url\(data:image/png;base64,([^)]*)\)", style)
    sheet = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")
    columns, rows = sheet.width // 12, sheet.height // 8
    assert columns * rows >= n
    assert f"{columns * 100}% {rows * 100}%" in style
    for i, color in enumerate(COLORS[:n]):
        x, y = i % columns * 12 + 6, i // columns * 8 + 4
        assert np.abs(np.subtract(sheet.getpixel((x, y)), color)).max() < 8


def test_the_player_shows_the_frame_of_its_slider():
    """CSS: a position of p% puts the window p% of the way along what the sheet is larger than the window."""
    for n in (1, 2, 3, 5, 10):
        for start in range(n):
            style = Elements(figures.player([picture(COLORS[0])] * n, "x", start=start).data).one("div", role="img")[
                "style"
            ]
            x, y, width, height = map(float, re.search(r"\) ([\d.]+)% ([\d.]+)% / ([\d.]+)% ([\d.]+)%", style).groups())
            columns, rows = round(width / 100), round(height / 100)
            assert (round(x / 100 * (columns - 1)), round(y / 100 * (rows - 1))) == (start % columns, start // columns)


def test_the_slider_moves_the_window_to_where_a_page_that_starts_there_has_it():
    """Its handler is read, not run: column and row of frame i, and how far the window goes for each."""

    def page(n, start):
        return Elements(figures.player([picture(COLORS[0])] * n, "x", start=start).data)

    for n in (1, 2, 3, 5, 10):
        handler = page(n, 0).one("input", type="range")["oninput"]
        words = r"c = i % (\d+), r = Math.floor\(i / (\d+)\);.* c \* ([\d.]+) \+ '% ' \+ r \* ([\d.]+) \+ '%'"
        columns, again, across, down = map(float, re.search(words, handler, re.DOTALL).groups())
        assert columns == again
        for i in range(n):
            style = page(n, i).one("div", role="img")["style"]
            x, y = map(float, re.search(r"\) ([\d.]+)% ([\d.]+)% /", style).groups())
            assert (i % columns * across, i // columns * down) == pytest.approx((x, y))


def test_the_player_needs_no_network_and_no_script_of_its_own():
    html = re.sub("base64,[^)]*", "", figures.player([picture(color) for color in COLORS], "x").data)
    assert not re.search(r"https?:|//|<script|<link|@import|src=", html)


def test_the_player_escapes_what_it_is_told():
    for alt in ['a "quoted" <b>word</b> & more', "it's > 3", "$5, $data or ${width}"]:
        page = Elements(figures.player([picture(COLORS[0])], alt).data)
        assert page.one("div", role="img")["aria-label"] == alt
        assert [tag for tag, _ in page.found] == ["div", "div", "div", "button", "input"]
