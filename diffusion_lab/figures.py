"""What people look at: one look for the whole book."""

import math
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import BinaryIO

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .checks import check_whole

# One colour for one thing, throughout the book (Okabe and Ito's palette, told apart by colour-blind readers).
COLORS = {"data": "#0072B2", "noise": "#CC79A7", "model": "#D55E00", "truth": "#009E73"}
# Text and axes; see book.mplstyle.
GREY = "#707070"


def use_style() -> None:
    """Set matplotlib to the look of the book, which is in ``book.mplstyle``; in a notebook, sharp on dense screens."""
    with as_file(files(__package__) / "book.mplstyle") as style:
        plt.style.use(style)
    if plt.get_backend().endswith("inline"):
        from matplotlib_inline.backend_inline import set_matplotlib_formats  # only a notebook has it

        set_matplotlib_formats("retina")


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
    """``(N, C, H, W)`` images in [-1, 1] side by side: ``(rows (H + gap) - gap, columns (W + gap) - gap, C)`` in
    [0, 1].

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


def save_gif(frames: Sequence[Image.Image], path: str | Path | BinaryIO, milliseconds: int = 100) -> None:
    """Write an animated GIF that loops, with a transparent background, to ``path``: a file's name or an open file."""
    if len({picture.size for picture in frames}) != 1:
        raise ValueError(f"frames: expected pictures of one size, got {sorted({p.size for p in frames})}")
    check_whole("milliseconds", milliseconds)
    # Of half transparent points GIF knows nothing: each is there or not.
    images = [picture.convert("RGBA") for picture in frames]
    for image in images:
        image.putalpha(image.getchannel("A").point(lambda alpha: 255 if alpha >= 128 else 0))
    options = {"duration": milliseconds, "loop": 0, "disposal": 2, "optimize": False}
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], **options)
