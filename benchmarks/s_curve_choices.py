"""Which of the choices in ``train`` matter on the S-curve: each put into a plain loop, and taken out of the full one.

    python benchmarks/s_curve_choices.py            ten minutes of one thread; writes measured/s_curve_choices.csv

Every run takes the same number of steps: 2,000 batches of 512, cosine schedule of 100 steps, Adam, no GPU. The plain
loop draws times one by one, keeps its learning rate, clips nothing, keeps the last weights and predicts eps; the full
one does none of that. Seed k draws the 10,000 points to learn from, the first weights, the training, and the sampling.

A score is the energy distance of 8,000 samples from 20,000 fresh points in units of 1e-4. Within a seed all recipes
start from the same noise, so that part of the luck is shared. ``off`` is the mean square of what network and exact
denoiser disagree about, in eps, over all times; it has no sampler in it.

Floor: 8,000 fresh points in place of samples. Best possible: the exact denoiser in place of a network. Control: the
full loop with a tenth of the steps, which must come out worse.
"""

import math
import time

import measured
import torch
from torch import Tensor

from diffusion_lab import (
    MLP,
    Denoiser,
    ExactDenoiser,
    NoiseSchedule,
    add_noise,
    datasets,
    ddim,
    ddpm,
    sample,
    stratified,
    train,
    uniform,
)

COMMAND = "python benchmarks/s_curve_choices.py"
SEEDS, STEPS = (0, 1, 2), 2_000
SAMPLERS = {"ddpm_100": (ddpm(), 100), "ddim_25": (ddim(), 25), "ddim_100": (ddim(), 100), "ddpm_25": (ddpm(), 25)}
schedule = NoiseSchedule.cosine(T=100)

PLAIN = {"times": "one by one", "rate": "2e-3", "weights": "last", "clip": "no", "target": "eps", "steps": STEPS}
FULL = {"times": "stratified", "rate": "one cycle", "weights": "averaged", "clip": "1", "target": "v", "steps": STEPS}
CHOICES = list(PLAIN)[:-1]
RECIPES = {
    "plain": PLAIN,
    "plain, rate 1e-3": PLAIN | {"rate": "1e-3"},
    "plain, rate 4e-3": PLAIN | {"rate": "4e-3"},
    **{f"plain + {name}": PLAIN | {name: FULL[name]} for name in CHOICES},
    "full": FULL,
    **{f"full - {name}": FULL | {name: PLAIN[name]} for name in CHOICES},
    "full, a tenth of the steps": FULL | {"steps": STEPS // 10},
}
ALL_SAMPLERS = ("exact denoiser", "plain", "plain + target", "full")  # of the others, the first two
# Whether the weights are the last or their average is decided after training: one run gives both.
SAME_RUN = {"plain + weights": "plain", "full - weights": "full"}


def learn(recipe: dict, data: Tensor, seed: int) -> tuple[Denoiser, Denoiser, float]:
    """The denoisers with the averaged and with the last weights, and the seconds."""
    torch.manual_seed(seed)
    network, constant = MLP(), None
    if recipe["rate"] != "one cycle":
        constant = torch.optim.Adam(network.parameters(), lr=float(recipe["rate"]), betas=(0.9, 0.99), fused=True)
    start = time.process_time()
    run = train(
        network, data, schedule, steps=recipe["steps"], batch_size=512, target=recipe["target"], seed=seed, lr=6e-3,
        optimizer=constant, draw=stratified if recipe["times"] == "stratified" else uniform,
        clip_gradient=1.0 if recipe["clip"] == "1" else 1e9, progress=False,
    )  # fmt: skip
    seconds = time.process_time() - start
    return run.denoiser, Denoiser(network, schedule, recipe["target"]).eval(), seconds


def exact() -> ExactDenoiser:
    """A hundred bells in a row along the line of the S, as in the chapter."""
    place = (torch.arange(100) + 0.5) / 100 * 3 * math.pi - 1.5 * math.pi
    line = torch.stack([place.sin(), place.sign() * (place.cos() - 1)], dim=1)
    return ExactDenoiser.mixture(line, torch.full((100,), 0.1), torch.ones(100), schedule)


def mean_distance(x: Tensor, y: Tensor) -> float:
    mode = "donot_use_mm_for_euclid_dist"
    return sum(torch.cdist(rows, y, compute_mode=mode).mean().item() for rows in x.split(1000)) * 1000 / len(x)


def scores_of(name: str, seed: int, denoiser, fresh: Tensor, within: float, judge: ExactDenoiser) -> dict[str, str]:
    """The scores of a denoiser, or with None those of fresh points."""
    scores = {}
    for sampler, (step, steps) in list(SAMPLERS.items())[: None if name in ALL_SAMPLERS else 2]:
        g = torch.Generator().manual_seed(200 + seed)
        if denoiser is None:
            x = datasets.s_curve(8_000, generator=g)
        else:
            x = sample(denoiser, (8_000, 2), schedule, step, steps=steps, generator=g)
        scores[sampler] = f"{1e4 * (2 * mean_distance(x, fresh) - mean_distance(x, x) - within):.2f}"
    if denoiser is not None:
        g = torch.Generator().manual_seed(300)
        t = torch.arange(1, 101).repeat(200)
        x_0 = datasets.s_curve(len(t), generator=g)
        x_t = add_noise(x_0, t, torch.randn(x_0.shape, generator=g), schedule)
        with torch.no_grad():
            scores["off"] = f"{(denoiser(x_t, t) - judge(x_t, t)).square().mean().item():.2e}"
    return scores


def main() -> None:
    torch.set_num_threads(1)
    judge, rows = exact(), []
    for seed in SEEDS:
        fresh = datasets.s_curve(20_000, generator=torch.Generator().manual_seed(100 + seed))
        data = datasets.s_curve(10_000, generator=torch.Generator().manual_seed(seed))
        within, runs = mean_distance(fresh, fresh), {}
        for name, recipe in {"fresh points": {}, "exact denoiser": {}, **RECIPES}.items():
            denoiser, seconds = {"fresh points": None, "exact denoiser": judge}.get(name), ""
            if recipe:
                same = SAME_RUN.get(name)
                runs[name] = averaged, last, seconds = runs[same] if same else learn(recipe, data, seed)
                denoiser = averaged if recipe["weights"] == "averaged" else last
                seconds = f"{seconds:.1f}"
            scores = scores_of(name, seed, denoiser, fresh, within, judge)
            rows.append({"recipe": name, "seed": seed, **recipe, "seconds": seconds, **scores})
            print(*rows[-1].values(), sep="  ", flush=True)

    columns = ["recipe", "seed", *PLAIN, "seconds", *SAMPLERS, "off"]
    measured.write("s_curve_choices", COMMAND, columns, ([row.get(name, "") for name in columns] for row in rows))


if __name__ == "__main__":
    main()
