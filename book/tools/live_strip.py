"""Draw the digits that the figure *digits* shows before its engine is there: ``live/weights/digits-strip.js``.

``python book/tools/live_strip.py`` takes a minute or two. Made with the package's own sampler from the figure's own
noise, so the figure's first state makes the same digits again. Eight greys, for a small file.
"""

import base64
import io
import json

import torch
from PIL import Image

from diffusion_lab import Guided, clip, ddim, live, load_pretrained, sample

FILE = live.HERE / "weights" / "digits-strip.js"
GUIDANCE, STEPS, SEED, COLUMNS, GREYS = [1, 2, 6], 20, 0, 16, 8
ABOUT = f"""\
// Prepared digits: for each guidance ten rows, 0 to 9, and below them a row for which no digit was asked for.
// All from the noise of `Random({SEED})`, by {STEPS} steps of `ddim()` with `clip()`, in {GREYS} greys.
// Made by `python book/tools/live_strip.py`.
"""


def digits(guidance: list[float] = GUIDANCE, steps: int = STEPS) -> torch.Tensor:
    """``(rows, COLUMNS, 28, 28)``, in [-1, 1]."""
    denoiser = load_pretrained("mnist-conditional")
    x_T = live.Random(SEED).normals(COLUMNS, 1, 28, 28).float()

    def row(digit: int, scale: float) -> torch.Tensor:
        labels = torch.full((COLUMNS,), digit)
        guided = Guided(denoiser, scale)
        return sample(guided, x_T, denoiser.path, ddim(), steps=steps, edit=clip(), labels=labels)[:, 0]

    return torch.stack([row(digit, scale) for scale in guidance for digit in range(10)] + [row(-1, 1)])


def picture(rows: torch.Tensor) -> str:
    """The rows as a WebP without loss, written as a data address."""
    grey = ((rows.clamp(-1, 1) + 1) / 2 * (GREYS - 1)).round() / (GREYS - 1) * 255
    side = grey.shape[-1]
    grid = grey.transpose(1, 2).reshape(len(rows) * side, COLUMNS * side).round().byte()
    file = io.BytesIO()
    Image.fromarray(grid.numpy()).convert("RGB").save(file, "WEBP", lossless=True, quality=100, method=6)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def text(rows: torch.Tensor) -> str:
    strip = {"guidance": GUIDANCE, "steps": STEPS, "picture": picture(rows)}
    return f"{ABOUT}\nexport const DIGITS_STRIP = {json.dumps(strip, indent=2)};\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    FILE.write_text(text(digits()), "utf-8")
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")
