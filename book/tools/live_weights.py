"""Train the network of the live figure of the S-curve, and write its weights for the page and for Python.

``python book/tools/live_weights.py``: about five minutes on one thread. It writes ``s-curve.safetensors``, which
:func:`diffusion_lab.load_pretrained` reads, and from it ``s-curve.js``, both into ``diffusion_lab/live/weights``. The
recipe is the chapter's, with half of its width and one layer more, so that a page can ask it about 2,000 points many
times a second, and with more points and more steps. How good it is is measured with the weights that are written, and
stands in the files.
"""

import base64
import math

import torch
from torch import Tensor

from diffusion_lab import (
    MLP,
    Denoiser,
    ExactDenoiser,
    NoiseSchedule,
    datasets,
    ddim,
    ddpm,
    dpm_solver,
    energy_distance,
    load_pretrained,
    nearest,
    sample,
    save_denoiser,
    train,
)
from diffusion_lab.live import HERE

COMMAND = "python book/tools/live_weights.py"
FILE = HERE / "weights" / "s-curve.safetensors"
SEED, STEPS, BATCH, POINTS, LR = 0, 50_000, 512, 100_000, 6e-3
N, CALLS, FAR = 10_000, 20, 0.4
SCHEDULE = NoiseSchedule.cosine(T=100)


def trained() -> Denoiser:
    """The network, with weights as the files keep them, in half precision."""
    data = datasets.s_curve(POINTS, generator=torch.Generator().manual_seed(SEED))
    torch.manual_seed(SEED)
    network = MLP(width=64, depth=4)
    run = train(network, data, SCHEDULE, steps=STEPS, batch_size=BATCH, lr=LR, target="v", seed=SEED, progress=False)
    for weights in run.denoiser.network.parameters():
        weights.data = weights.half().float()
    return run.denoiser


def scores(denoiser: Denoiser) -> dict[str, list]:
    """For the floor, and by sampler for network and exact denoiser: energy distances to fresh points in units of 1e-4,
    and how many points went astray, each with three seeds."""
    place = (torch.arange(100) + 0.5) / 100 * 3 * math.pi - 1.5 * math.pi
    line = torch.stack([place.sin(), place.sign() * (place.cos() - 1)], dim=1)
    exact = ExactDenoiser.mixture(line, torch.full((100,), 0.1), torch.ones(100), SCHEDULE)
    g = torch.Generator().manual_seed(1000)
    fresh, others = ([datasets.s_curve(N, generator=g) for _ in range(3)] for _ in range(2))

    def measure(made: list[Tensor]) -> list:
        distances = [round(1e4 * energy_distance(x, y), 1) for x, y in zip(made, fresh, strict=True)]
        return [distances, [(nearest(x, line)[0] > FAR).sum().item() for x in made]]

    found = {"fresh points": measure(others)}
    for name, step in (("DDPM", ddpm()), ("DDIM", ddim()), ("DPM-Solver++", dpm_solver())):
        for who, one in (("network", denoiser), ("exact denoiser", exact)):
            noise = [torch.Generator().manual_seed(seed) for seed in range(3)]
            made = [sample(one, (N, 2), SCHEDULE, step, steps=CALLS, generator=g) for g in noise]
            found[f"{name}, {who}"] = measure(made)
    return found


def script(denoiser: Denoiser) -> str:
    """The same weights in JavaScript: each array in half precision, little end first, in base64."""

    def each(values: list) -> str:
        return ", ".join(map(str, values))

    card = denoiser.card
    options = ", ".join(f"{name}: {value}" for name, value in denoiser.network.options.items())
    lines = [
        f"// The network of the S-curve. Made by `{COMMAND}`.",
        f"// {card['data']}; {card['training']}.",
        *(f"// {line}" for line in card["quality"]),
        *(f"//   {name}: {each(distances)}; {each(astray)}" for name, (distances, astray) in card["scores"].items()),
        "",
        "export const s_curve_weights = {",
        f"  options: {{ {options} }},",
        f'  target: "{denoiser.target}",',
        f"  T: {denoiser.path.T}, // of the cosine schedule",
        "  layers: {",
        *(f'    "{name}": "{halves(weights)}",' for name, weights in denoiser.network.state_dict().items()),
        "  },",
        "};",
    ]
    return "\n".join(lines) + "\n"


def halves(weights: Tensor) -> str:
    return base64.b64encode(weights.half().numpy().astype("<f2").tobytes()).decode()


def main() -> None:
    torch.set_num_threads(1)
    denoiser = trained()
    card = {
        "command": COMMAND,
        "data": f"{POINTS:,} points of datasets.s_curve, seed {SEED}",
        "training": f"{STEPS:,} steps of {BATCH}, seed {SEED}",
        "quality": [
            f"{N:,} samples in {CALLS} steps, three seeds: energy distance from fresh points in 1e-4; how many are",
            f"further than {FAR} from the line of the S.",
        ],
        "scores": scores(denoiser),
    }
    FILE.parent.mkdir(exist_ok=True)
    save_denoiser(denoiser, FILE, card)
    FILE.with_suffix(".js").write_text(script(load_pretrained(FILE)), "utf-8")
    print(FILE.with_suffix(".js").read_text("utf-8").split("export")[0])


if __name__ == "__main__":
    main()
