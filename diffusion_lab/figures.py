"""What people look at. One look for the whole book, and animations that play in a page with no kernel behind it."""

import base64
import html
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import matplotlib.pyplot as plt
import torch
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .checks import check_whole

# One colour for one thing, throughout the book (Okabe and Ito's palette, told apart by colour-blind readers).
COLORS = {"data": "#0072B2", "noise": "#CC79A7", "model": "#D55E00", "truth": "#009E73"}
# Text and axes: legible on white and on black. A shade lighter, and JupyterLab would put a dark card behind figures.
GREY = "#7f7f7f"


def use_style() -> None:
    """Set matplotlib to the look of the book: transparent background, grey text, few lines, small files."""
    plt.rcParams.update(
        {
            "figure.figsize": (6.4, 3.2), "figure.dpi": 110, "figure.facecolor": "none", "savefig.facecolor": "none",
            "figure.constrained_layout.use": True, "axes.facecolor": "none", "axes.edgecolor": GREY,
            "axes.labelcolor": GREY, "axes.titlecolor": GREY, "axes.titlesize": "medium", "axes.spines.top": False,
            "axes.spines.right": False, "text.color": GREY, "xtick.color": GREY, "ytick.color": GREY,
            "legend.frameon": False, "legend.labelcolor": GREY, "grid.color": GREY, "grid.alpha": 0.3,
            "image.cmap": "gray", "image.interpolation": "nearest",
        }
    )  # fmt: skip


def cloud(ax: Axes, points: Tensor, color: str = COLORS["data"], limit: float | None = None, **style) -> None:
    """Scatter ``(N, 2)`` points with equal axes and no frame. ``limit`` fixes both axes to ``[-limit, limit]``."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (N, 2), got {tuple(points.shape)}")
    points = points.detach().cpu()
    ax.scatter(points[:, 0], points[:, 1], **{"s": 2, "color": color, "alpha": 0.8, "linewidths": 0} | style)
    ax.set_aspect("equal")
    ax.set_axis_off()
    if limit is not None:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))


def clouds(
    states: Sequence[Tensor], titles: Sequence[str], color: str = COLORS["data"], columns: int = 5, limit: float = 3
) -> Figure:
    """A panel for each ``(N, 2)`` cloud in ``states``, with its title."""
    if len(states) != len(titles) or len(states) == 0:
        raise ValueError(f"titles: expected one for each state, got {len(titles)} for {len(states)}")
    rows = math.ceil(len(states) / check_whole("columns", columns))
    figure, axes = plt.subplots(rows, columns, figsize=(1.7 * columns, 1.9 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, points, title in zip(axes.flat, states, titles, strict=False):
        cloud(ax, points, color, limit)
        ax.set_title(title)
    return figure


def image_grid(images: Tensor, columns: int = 8, gap: int = 2) -> Tensor:
    """``(N, C, H, W)`` images in [-1, 1] side by side: ``(rows (H + gap), columns (W + gap), C)`` in [0, 1].

    Grey images lose their last axis, as ``plt.imshow`` likes it.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(f"images: expected shape (N, 1 or 3, H, W) with N of at least 1, got {tuple(images.shape)}")
    N, C, H, W = images.shape
    check_whole("columns", columns)
    check_whole("gap", gap, 0)
    rows = math.ceil(N / columns)
    grid = torch.full((rows * columns, C, H + gap, W + gap), 0.5)
    grid[:N, :, :H, :W] = (images.detach().float().cpu().clamp(-1, 1) + 1) / 2
    grid = grid.view(rows, columns, C, H + gap, W + gap).permute(0, 3, 1, 4, 2)
    return grid.reshape(rows * (H + gap), columns * (W + gap), C)[: -gap or None, : -gap or None].squeeze(-1)


def show_images(images: Tensor, columns: int = 8, ax: Axes | None = None, title: str | None = None) -> None:
    """Draw ``(N, C, H, W)`` images in [-1, 1] as a grid."""
    if ax is None:
        rows = math.ceil(len(images) / columns)
        _, ax = plt.subplots(figsize=(0.62 * columns, 0.62 * rows + (0.3 if title else 0)))
    ax.imshow(image_grid(images, columns), vmin=0, vmax=1)
    ax.set_axis_off()
    if title:
        ax.set_title(title)


def unet_diagram(noisy: Tensor, answer: Tensor) -> Figure:
    """The book's U-Net between a ``(28, 28)`` input and its answer, with 32 channels above and 64 below.

    A box is as high as its picture and as wide as it has channels. Dashed arrows are the skips; ``t`` marks the blocks.
    """
    figure, ax = plt.subplots(figsize=(8.6, 3.4))
    ax.set(xlim=(-0.1, 14.3), ylim=(-1.0, 4.55), aspect="equal")
    ax.set_axis_off()
    for left, picture, name in ((0, noisy, "$x_t$"), (12.2, answer, "$\\hat v$")):
        ax.imshow(picture.detach().cpu(), extent=(left, left + 2, 2.1, 4.1), vmin=-2, vmax=2)
        ax.text(left + 1, 4.2, name, ha="center", va="bottom")
        ax.text(left + 1, 2.02, "1×28×28", ha="center", va="top", fontsize=7)

    # left edge, middle, height of each picture, its channels; two numbers where a skip joins what came up
    maps = [(2.5, 1.7, 14, [32]), (3.8, 1.7, 14, [32]), (4.4, 0.3, 7, [64]), (5.8, 0.3, 7, [64]), (7.2, 0.3, 7, [64])]
    maps += [(8.2, 0.3, 7, [64, 64]), (10.0, 0.3, 7, [64]), (10.4, 1.7, 14, [32, 32]), (11.8, 1.7, 14, [32])]
    for left, middle, size, channels in maps:
        for i, c in enumerate(channels):
            corner = left + i * c / 160, middle - size / 28
            ax.add_patch(plt.Rectangle(corner, c / 160, size / 14, color=COLORS["truth" if i else "data"], linewidth=0))
        above = left in (3.8, 10.4)  # where an arrow takes the room below
        y = middle + size / 28 + 0.1 if above else middle - size / 28 - 0.1
        label = f"{sum(channels)}×{size}×{size}"
        ax.text(left + sum(channels) / 320, y, label, ha="center", va="bottom" if above else "top", fontsize=7)

    def arrow(start, end, text="", at=(0, 0), **style):
        ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 2, "shrinkB": 2} | style)
        ax.text((start[0] + end[0]) / 2 + at[0], (start[1] + end[1]) / 2 + at[1], text, ha="center", fontsize=8)

    for left, right, y in ((2.7, 3.8, 1.7), (4.8, 5.8, 0.3), (9.0, 10.0, 0.3), (10.8, 11.8, 1.7)):
        arrow((left, y), (right, y), "block", (0, 0.12), color=COLORS["model"])
        ax.text((left + right) / 2, y - 0.12, "$t$", ha="center", va="top", fontsize=8, color=COLORS["model"])
    arrow((6.2, 0.3), (7.2, 0.3), "attend", (0, 0.12))
    arrow((7.6, 0.3), (8.2, 0.3))
    arrow((2.0, 3.1), (2.6, 2.2), "fold", (0.6, 0.2), connectionstyle="angle,angleA=0,angleB=90")
    arrow((3.9, 1.2), (4.6, 0.55), "shrink", (0.55, 0.15))
    arrow((10.2, 0.55), (10.5, 1.2), "grow", (-0.45, 0))
    arrow((11.9, 2.2), (12.2, 3.1), "unfold", (-0.65, 0.15), connectionstyle="angle,angleA=90,angleB=0")
    skip = {"linestyle": "--", "color": COLORS["truth"]}
    arrow((4.0, 1.7), (10.4, 1.7), "skip", (0, 0.12), **skip)
    arrow((6.0, -0.25), (8.8, -0.25), "skip", (0, -0.5), connectionstyle="arc3,rad=0.2", **skip)
    return figure


def frame(figure: Figure, dpi: int = 80) -> Image.Image:
    """The figure as a picture, for an animation; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return Image.open(buffer).convert("RGBA")


def save_gif(frames: Sequence[Image.Image], path: str | Path | BinaryIO, milliseconds: int = 100) -> None:
    """Write an animated GIF that loops, with a transparent background, to ``path``: a file's name or an open file."""
    _check_frames(frames, milliseconds)
    images = []
    for picture in frames:
        image = picture.convert("RGB").quantize(255)
        clear = picture.convert("RGBA").getchannel("A").point(lambda alpha: 255 if alpha < 128 else 0)
        # The clear entry needs a colour of its own: Pillow compares frames by colour, and unset it is black.
        colors = image.getpalette()[: 3 * 255]
        image.putpalette(colors + [0] * (3 * 255 - len(colors)) + [255, 0, 255])
        image.paste(255, mask=clear)
        image.info["transparency"] = 255
        images.append(image)
    options = {"duration": milliseconds, "loop": 0, "disposal": 2, "optimize": False}
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], **options)


def _check_frames(frames: Sequence[Image.Image], milliseconds: int) -> None:
    if len({picture.size for picture in frames}) != 1:
        raise ValueError(f"frames: expected pictures of one size, got {sorted({p.size for p in frames})}")
    check_whole("milliseconds", milliseconds)


def player(frames: Sequence[Image.Image], alt: str, milliseconds: int = 100, start: int = 0) -> HTML:
    """A slider and a play button over ``frames``, as HTML that needs no kernel, no network and no library.

    All frames travel in one picture; the slider moves a window over it. Frames must have the same size.

    Args:
        frames: the pictures, from :func:`frame`.
        alt: what the animation shows, for a reader who does not see it.
        milliseconds: the time a frame stays.
        start: the frame shown at first.
    """
    _check_frames(frames, milliseconds)
    check_whole("start", start, 0, len(frames) - 1)
    (width, height), n = frames[0].size, len(frames)
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = Image.new("RGBA", (columns * width, rows * height))
    for i, picture in enumerate(frames):
        sheet.paste(picture, (i % columns * width, i // columns * height))
    buffer = io.BytesIO()
    sheet.quantize(64, method=Image.Quantize.FASTOCTREE).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    # Event handlers in the elements themselves: a page may hold many players and none needs a name.
    show = (
        f"const i = +this.value, c = i % {columns}, r = Math.floor(i / {columns});"
        f"this.closest('.player').firstElementChild.style.backgroundPosition ="
        f" (c * 100 / {max(1, columns - 1)}) + '% ' + (r * 100 / {max(1, rows - 1)}) + '%';"
    )
    play = (
        "const b = this, s = b.nextElementSibling;"
        "if (b.timer) { clearInterval(b.timer); b.timer = 0; b.textContent = 'Play'; return; }"
        "b.textContent = 'Pause'; if (+s.value == +s.max) s.value = -1;"
        "b.timer = setInterval(() => { s.value = +s.value + 1; s.oninput();"
        f" if (+s.value == +s.max) b.onclick(); }}, {milliseconds});"
    )
    x, y = start % columns * 100 / max(1, columns - 1), start // columns * 100 / max(1, rows - 1)
    return HTML(
        f'<div class="player" style="max-width: {width}px; margin: 0 auto">'
        f'<div role="img" aria-label="{html.escape(alt)}" style="width: 100%; aspect-ratio: {width} / {height};'
        f' background: url(data:image/png;base64,{data}) {x}% {y}% / {columns * 100}% {rows * 100}%"></div>'
        '<div style="display: flex; gap: 0.6em; align-items: center">'
        f'<button type="button" onclick="{play}">Play</button>'
        f'<input type="range" min="0" max="{n - 1}" value="{start}" aria-label="Frame" style="flex: 1"'
        f' oninput="{show}"></div></div>'
    )
