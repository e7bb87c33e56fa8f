"""Draw the cover, the logo, the icon and the numeral of each chapter: shapes coming out of noise, made by the book's
own forward process.

python book/tools/cover.py      (or `make cover`; writes book/_static/{cover,logo}.svg, {cover,favicon}.png, numerals/)

The data is a row of letters as a grid of values in [-1, 1]. Every column of the grid is one example with a timestep of
its own, t = T at the left and t = 0 at the right, and goes through `add_noise` once. A dot's size is its value.
"""

from pathlib import Path

import numpy as np
import torch
from matplotlib.font_manager import FontProperties, findfont
from number import prefix
from PIL import Image, ImageDraw, ImageFont

from diffusion_lab import NoiseSchedule, add_noise

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "book/_static"
# From noise to data. Mid-tones, so that they show on white and on black.
COLOURS = np.array([[140, 140, 158], [122, 116, 214], [214, 86, 140], [240, 140, 50]], dtype=float)
SIZES = 8  # the radii that a drawing in SVG has


def row_of(letters: str, rows: int, columns_each: int) -> torch.Tensor:
    """Letters side by side, (columns, rows), ink 1 and paper -1."""
    scale = 16
    image = Image.new("L", (len(letters) * columns_each * scale, rows * scale))
    font = ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight="bold")), int(rows * scale * 1.1))
    draw = ImageDraw.Draw(image)
    for i, letter in enumerate(letters):
        centre = ((i + 0.5) * columns_each * scale, rows * scale / 2)
        left, top, right, bottom = draw.textbbox((0, 0), letter, font=font)
        draw.text((centre[0] - (left + right) / 2, centre[1] - (top + bottom) / 2), letter, font=font, fill=255)
    small = np.asarray(image.resize((len(letters) * columns_each, rows), Image.Resampling.BOX), dtype=np.float32)
    return torch.from_numpy(small.T / 127.5 - 1)


def radii(values: torch.Tensor) -> np.ndarray:
    """The radius of each dot, 0.5 where neighbours touch: its area follows its value, from nothing at -1."""
    return 0.5 * ((values.numpy() + 1) / 2).clip(0, 1.1) ** 0.5 * 0.92


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
    for (i, j), r in np.ndenumerate(pitch * fine * radii(values)):
        x, y = (i + 0.5) * pitch * fine, (j + 0.5) * pitch * fine
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    mask = mask.resize((columns * pitch, rows * pitch), Image.Resampling.LANCZOS)
    gradient = np.broadcast_to(colours_along(mask.width), (mask.height, mask.width, 3)).round().astype(np.uint8)
    picture = Image.fromarray(gradient)
    picture.putalpha(mask)
    return picture


def drawing(values: torch.Tensor) -> str:
    """The same as SVG, one path for each size of dot: a line of no length with round ends is a dot."""
    columns, rows = values.shape
    size = (radii(values) * 2 * SIZES).round().astype(int)  # the smallest are lost, and nobody misses them
    stops = "".join(
        f'<stop offset="{place:.3g}" stop-color="#{"".join(f"{int(channel):02x}" for channel in colour)}"/>'
        for place, colour in zip(np.linspace(0, 1, len(COLOURS)), COLOURS, strict=True)
    )
    paths = ""
    for width in range(1, size.max() + 1):
        where = "".join(f"M{i} {j}h0" for i, j in np.argwhere(size == width))
        paths += f'<path d="{where}" stroke-width="{width / SIZES:g}"/>' if where else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-.5 -.5 {columns} {rows}" width="{columns * 10}" '
        f'height="{rows * 10}"><linearGradient id="g" gradientUnits="userSpaceOnUse" x2="{columns}">{stops}'
        f'</linearGradient><g stroke="url(#g)" stroke-linecap="round">{paths}</g></svg>\n'
    )


def noised(x_0: torch.Tensor, first: float, last: float, seed: int) -> torch.Tensor:
    """`x_0` (columns, rows), its columns noised from t = first * T at the left to t = last * T at the right."""
    schedule = NoiseSchedule.cosine(T=1000)
    t = torch.linspace(first * schedule.T, last * schedule.T, len(x_0)).round().long()
    eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    return add_noise(x_0, t, eps, schedule)


def main() -> None:
    cover = noised(row_of("888888", 30, 23), 1.0, 0.0, seed=8)
    dots(cover, pitch=10).save(STATIC / "cover.png", optimize=True)
    (STATIC / "cover.svg").write_text(drawing(cover), "utf-8", newline="\n")
    logo = noised(row_of("8", 13, 13), 0.45, 0.0, seed=3)
    (STATIC / "logo.svg").write_text(drawing(logo), "utf-8", newline="\n")
    dots(noised(row_of("8", 12, 12), 0.45, 0.0, seed=3), pitch=8).save(STATIC / "favicon.png", optimize=True)
    (STATIC / "numerals").mkdir(exist_ok=True)
    for seed, path in enumerate(sorted(ROOT.glob("notebooks/*.ipynb"))):
        name = prefix(path.stem)
        noise, width = (0.65, 24) if len(name) == 1 else (0.55, 17)
        numeral = noised(row_of(name, 22, width), noise, 0.0, seed)
        (STATIC / f"numerals/{name}.svg").write_text(drawing(numeral), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
