"""Figures: grids to the pixel, animations to the frame."""

import io

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
        drawn = io.BytesIO()
        plt.figure().savefig(drawn)
        assert (np.asarray(Image.open(drawn).convert("RGBA"))[..., 3] == 0).all()
        assert plt.rcParams["text.color"] == plt.rcParams["axes.edgecolor"] == figures.GREY


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
