"""Write the small data of live figures, ``diffusion_lab/live/weights/digits.js`` and ``examples.js``.

``python book/tools/live_data.py``: the first ten of scikit-learn's digits, and the fifty examples of the warm-up.
"""

import json

import torch
from sklearn.datasets import load_digits

from diffusion_lab import live

GREYS = "0123456789abcdefg"  # a pixel of these digits is a whole number from 0 to 16
MADE = "// Made by `python book/tools/live_data.py`."


def digits() -> str:
    images, labels = load_digits(return_X_y=True)
    assert labels[:10].tolist() == list(range(10))
    rows = ["".join(GREYS[int(pixel)] for pixel in image) for image in images[:10]]
    about = "scikit-learn's first 0, 1, ..., 9: 8x8 pixels, row after row, each from 0 to g for 16."
    return f"// {about}\n{MADE}\n\nexport const DIGITS = {json.dumps(rows, indent=2)};\n"


def examples() -> str:
    """The x and y of "Training, in four moves" in Before you start, where a thousand products are drawn before them."""
    g = torch.Generator().manual_seed(3)
    torch.rand(2, 1000, generator=g)
    x = torch.randn(50, generator=g).double()
    y = 2 * x + 0.5 * torch.randn(50, generator=g)
    lists = [json.dumps([round(value, 7) for value in each.tolist()]) for each in (x, y)]
    about = "The examples of Before you start: fifty x, and y = 2 x + 0.5 noise."
    return f"// {about}\n{MADE}\n\nexport const EXAMPLES = {{\n  x: {lists[0]},\n  y: {lists[1]},\n}};\n"


FILES = {"digits.js": digits, "examples.js": examples}

if __name__ == "__main__":
    folder = live.HERE / "weights"
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text(), "utf-8")
        print(folder / name)
