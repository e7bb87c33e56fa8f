"""Draw the cover, the logo and the icon: an 8 coming out of noise, made by the book's own forward process.

python book/tools/cover.py      (or `make cover`; writes book/_static/{cover,logo,favicon}.png)

The data is a row of 8s as a grid of values in [-1, 1]. Every column of the grid is one example with a timestep of
its own, t = T at the left and t = 0 at the right, and goes through `add_noise` once. A dot's size is its value.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from diffusion_lab import NoiseSchedule, add_noise

STATIC = Path(__file__).resolve().parents[1] / "_static"
# From noise to data. Mid-tones, so that they show on white and on black.
COLOURS = np.array([[140, 140, 158], [122, 116, 214], [214, 86, 140], [240, 140, 50]], dtype=float)


def row_of_eights(count: int, rows: int, columns_each: int) -> torch.Tensor:
    """`count` 8s side by side, (columns, rows), ink 1 and paper -1."""
    scale = 16
    image = Image.new("L", (count * columns_each * scale, rows * scale))
    font = ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight="bold")), int(rows * scale * 1.1))
    draw = ImageDraw.Draw(image)
    for i in range(count):
        centre = ((i + 0.5) * columns_each * scale, rows * scale / 2)
        left, top, right, bottom = draw.textbbox((0, 0), "8", font=font)
        draw.text((centre[0] - (left + right) / 2, centre[1] - (top + bottom) / 2), "8", font=font, fill=255)
    small = np.asarray(image.resize((count * columns_each, rows), Image.Resampling.BOX), dtype=np.float32)
    return torch.from_numpy(small.T / 127.5 - 1)


def colours_along(width: int) -> np.ndarray:
    """A gradient through COLOURS, (width, 3)."""
    stops = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(np.linspace(0, 1, width), stops, channel) for channel in COLOURS.T], axis=1)


def dots(values: torch.Tensor, pitch: int) -> Image.Image:
    """A halftone of `values` (columns, rows) on nothing: dots `pitch` pixels apart, radius growing with the value."""
    columns, rows = values.shape
    fine = 4
    mask = Image.new("L", (columns * pitch * fine, rows * pitch * fine))
    draw = ImageDraw.Draw(mask)
    # The area of a dot follows its value, from nothing at -1 to almost touching its neighbours at 1.
    radius = 0.5 * pitch * fine * ((values.numpy() + 1) / 2).clip(0, 1.1) ** 0.5 * 0.92
    for (i, j), r in np.ndenumerate(radius):
        x, y = (i + 0.5) * pitch * fine, (j + 0.5) * pitch * fine
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    mask = mask.resize((columns * pitch, rows * pitch), Image.Resampling.LANCZOS)
    gradient = np.broadcast_to(colours_along(mask.width), (mask.height, mask.width, 3)).round().astype(np.uint8)
    picture = Image.fromarray(gradient)
    picture.putalpha(mask)
    return picture


def noised(x_0: torch.Tensor, first: float, last: float, seed: int) -> torch.Tensor:
    """`x_0` (columns, rows), its columns noised from t = first * T at the left to t = last * T at the right."""
    schedule = NoiseSchedule.cosine(T=1000)
    t = torch.linspace(first * schedule.T, last * schedule.T, len(x_0)).round().long()
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    return add_noise(x_0, t, eps, schedule)


def main() -> None:
    dots(noised(row_of_eights(6, 30, 23), 1.0, 0.0, seed=8), pitch=10).save(STATIC / "cover.png", optimize=True)
    dots(noised(row_of_eights(1, 20, 20), 0.62, 0.0, seed=8), pitch=12).save(STATIC / "logo.png", optimize=True)
    dots(noised(row_of_eights(1, 12, 12), 0.45, 0.0, seed=3), pitch=8).save(STATIC / "favicon.png", optimize=True)


if __name__ == "__main__":
    main()
