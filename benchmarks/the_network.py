"""The comparisons of the chapter on the network, with more seeds than its page can afford.

    python benchmarks/the_network.py            all of them: about five minutes of one core
    python benchmarks/the_network.py times      some of them: times, skips, words

Runs the code of ``notebooks/04-the-network.ipynb`` as far as it is needed, and then its own functions again with other
seeds. Writes ``network_times.csv`` (ways to tell a time), ``network_skips.csv`` (skips cut) and ``network_words.csv``
(the painter) into ``diffusion_lab/measured``, which the page reads.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"
import measured
import torch
from torch import nn

torch.set_num_threads(1)
ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python benchmarks/the_network.py"
BANDS = {"1-50": slice(0, 50), "51-200": slice(50, 200), "201-500": slice(200, 500), "501-1000": slice(500, 1000),
         "all": slice(None)}  # fmt: skip


def page(end: str) -> dict:
    """What the chapter's cells define before the heading ``end``, without those that draw figures or read tables."""
    cells = json.loads((ROOT / "notebooks/04-the-network.ipynb").read_text("utf-8"))["cells"]
    names = {"__name__": "page"}
    for cell in cells:
        source = "".join(cell["source"])
        if source.startswith(end):
            break
        if cell["cell_type"] == "code" and "plt." not in source and "measured(" not in source:
            exec(compile(source, cell["id"], "exec"), names)
    return names


class Table(nn.Module):
    """The learned table: a row for each time."""

    def __init__(self, T: int):
        super().__init__()
        self.rows = nn.Embedding(T + 1, 32)

    def forward(self, t):
        return self.rows(t)


def times(names: dict) -> list[dict]:
    T, embed, learn, excess = (names[name] for name in ("T", "embed", "learn", "excess"))
    ways = {
        "not told": (lambda: lambda t: torch.zeros(len(t), 1), 1, {}),
        "t": (lambda: lambda t: t[:, None].float(), 1, {}),
        "table": (lambda: Table(T), 32, {}),
        "t / T": (lambda: lambda t: t[:, None] / T, 1, {}),
        "waves": (lambda: embed, 32, {}),
        "waves, 80 wide": (lambda: embed, 32, {"width": 80}),  # as many weights as the next one
        "waves, FiLM": (lambda: embed, 32, {"film": True}),
    }
    rows = []
    for steps, seeds, some in ((600, 5, ways), (2400, 3, ("table", "t / T", "waves"))):
        for told in some:
            make, dim, options = ways[told]
            for seed in range(seeds):
                torch.manual_seed(seed)
                denoiser = learn(make(), dim, seed=seed, steps=steps, **options)
                weights = sum(weight.numel() for weight in denoiser.network.parameters())
                off = excess(denoiser)
                rows.append({"steps": steps, "told": told, "weights": weights, "seed": seed}
                            | {band: f"{off[where].mean():.5f}" for band, where in BANDS.items()})  # fmt: skip
    return rows


def skips(names: dict) -> list[dict]:
    rows, cut = [], names["cut"]
    for seed in range(3):
        whole, without = names["on_digits"](False, seed), names["on_digits"](True, seed)
        for t in (10, 20, 50, 100, 200, 350, 500, 650, 800, 950):
            errors = {"whole": names["error_at"](t, whole), "cut": names["error_at"](t, without)}
            for one in ("up_top", "up_low"):  # exercise 4.5: one skip of the trained network cut
                handle = cut(getattr(whole.network, one))
                errors[f"{one} cut later"] = names["error_at"](t, whole)
                handle.remove()
            rows += [{"skips": kind, "seed": seed, "t": t, "error": f"{error:.4f}"} for kind, error in errors.items()]
    return rows


def words(names: dict) -> list[dict]:
    rows, asked = [], names["asked"]
    hidden = (asked == torch.tensor([names["DISC"], names["RING"]])).all(dim=1)
    hidden |= (asked == torch.tensor([names["CROSS"], names["DISC"]])).all(dim=1)
    for seed in range(3):
        painter = names["paint"](seed)
        told = {"first": asked[:, 0], "second": asked[:, 1]}
        right, real, wrong, of_hidden = [], [], [], []
        for draw in range(4):  # 512 samples
            g = torch.Generator().manual_seed(10 * seed + draw)
            made = names["sample"](painter, (len(asked), 1, names["SIDE"], names["SIDE"]), names["schedule"], steps=25,
                                   edit=names["clip"](), generator=g, **told)  # fmt: skip
            right.append(names["share_right"](made, asked))
            of_hidden.append(right[-1][hidden])
            real.append(names["share_right"](names["draw_scenes"](*asked.T), asked))
            wrong.append(names["share_right"](made, asked.roll(8, dims=0)))
        shares = {"real": real, "right": right, "hidden": of_hidden, "wrong": wrong}
        rows.append({"seed": seed} | {name: f"{torch.stack(values).mean():.2f}" for name, values in shares.items()})
    return rows


TABLES = {
    "times": (times, "## Two parts"),
    "skips": (skips, "## Cross-attention"),
    "words": (words, "## Going further"),
}

if __name__ == "__main__":
    for table in sys.argv[1:] or TABLES:
        make, end = TABLES[table]
        rows = make(page(end))
        measured.write(f"network_{table}", COMMAND, rows[0], (row.values() for row in rows))
        print(f"{time.process_time():4.0f} s  network_{table}.csv", flush=True)
