"""Ours: what the chapter trains, the weights that come with the package, and the choices behind the recipe."""

import functools
import hashlib

import torch
from digits_common import EQUAL_SECONDS, NETWORK, RECIPE, Jobs, Row, Work, judged, train_ours

from diffusion_lab import NoiseSchedule, load_pretrained, min_snr, stratified
from diffusion_lab.pretrained import shipped as shipped_file

LIVE = (105, EQUAL_SECONDS)  # seconds of process time

# The best settings for so many calls of the network. Where guidance is not 1, a step takes two.
SHIPPED = {
    "mnist-conditional": [
        {"calls": 20, "method": "ddim", "eta": 1.0},
        {"calls": 10, "method": "dpm_solver", "eta": 1.0},
        {"calls": 20, "method": "ddim", "eta": 1.0, "guidance": 1.1},
    ],
    "mnist": [{"calls": 20, "method": "ddim", "eta": 1.0}],
}

CHOICE_SECONDS = 40
SEEDS = 3
CHOICES = {
    "the recipe": {},
    "times drawn evenly": {"draw": stratified},
    "target eps": {"target": "eps"},
    "target x_0": {"target": "x_0"},
    "min-snr": {"weight": min_snr},
    "schedule linear, rescaled to 1e-4": {"schedule": "rescaled"},
    "lr 2e-3": {"lr": 2e-3},
    "AdamW, weight decay 0.01": {"kind": torch.optim.AdamW},
    "batch 64": {"batch_size": 64},
    "2 blocks": {"blocks": 2},
}
SCHEDULES = {
    "cosine": lambda: NoiseSchedule.cosine(1000),
    "rescaled": lambda: NoiseSchedule.linear(1000).rescale(1e-4),
}


def live(work: Work) -> Jobs:
    """Trained as the chapter does, for so long."""

    def job(seconds: float) -> list[Row]:
        schedule = NoiseSchedule.cosine(1000)
        run, training = train_ours(work.seconds(seconds), schedule, **NETWORK, **RECIPE)
        return [
            {"what": f"ours, {seconds} s", **training}
            | judged(run.denoiser, schedule, work.images(1000), steps=work.steps(25), eta=eta, guidance=guidance)
            for guidance in (1.0, 1.75)
            for eta in (0.0, 1.0)
        ]

    return {f"{seconds} s": functools.partial(job, seconds) for seconds in LIVE}


def shipped(work: Work) -> Jobs:
    """The weights that come with the package; a new file, or another n, is another job."""

    def job(name: str, calls: int, guidance: float = 1.0, **options) -> list[Row]:
        denoiser = load_pretrained(name)
        labelled = denoiser.network.num_classes is not None
        steps = work.steps(calls if guidance == 1 else calls // 2)
        row = judged(
            denoiser, denoiser.path, work.images(work.n), steps=steps, guidance=guidance, labelled=labelled,
            **options,
        )  # fmt: skip
        card = denoiser.card
        return [{"what": f"`{name}`", "seconds": card.get("process_seconds"), "steps": card.get("steps"), **row}]

    jobs = {}
    for name, settings in SHIPPED.items():
        digest = hashlib.sha256(shipped_file(f"{name}.safetensors").read_bytes()).hexdigest()[:8]
        for setting in settings:
            words = ", ".join(f"{key} {value}" for key, value in setting.items())
            jobs[f"{name} {digest}, n {work.images(work.n)}, {words}"] = functools.partial(job, name, **setting)
    return jobs


def choices(work: Work) -> Jobs:
    """The recipe with one thing changed, for the same process time."""

    def job(name: str, seed: int, schedule: str = "cosine", **changes) -> list[Row]:
        made = SCHEDULES[schedule]()
        run, training = train_ours(work.seconds(CHOICE_SECONDS), made, seed=seed, **NETWORK | RECIPE | changes)
        row = judged(run.denoiser, made, work.images(500), steps=work.steps(20), eta=1.0)
        return [{"what": name, "seed": seed, **training} | row]

    return {
        f"{name}, seed {seed}": functools.partial(job, name, seed, **changes)
        for name, changes in CHOICES.items()
        for seed in range(SEEDS)
    }
