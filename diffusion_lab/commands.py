"""What the commands of :mod:`.cli` do. Each takes the options that were parsed there."""

import argparse
import inspect
import json
import os
import platform
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from itertools import cycle, islice

import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from . import datasets
from .checks import check_whole
from .datasets import DataNotFoundError
from .engine import processes
from .figures import image_grid, save_gif
from .files import check_writable, whole
from .guidance import Guided
from .judge import FLOORS, load_judge
from .metrics import nearest
from .models import UNet
from .paths import logit_normal, stratified, uniform
from .pretrained import load_pretrained, save_denoiser
from .sampling import clip, walk
from .schedule import NoiseSchedule
from .steps import ddim, ddpm, dpm_solver
from .targets import min_snr
from .training import progress_bar, training_steps

# The recipe is the library's own: its defaults are read off, not written twice.
RECIPE = {name: option.default for name, option in inspect.signature(training_steps).parameters.items()}
SCHEDULES = {"cosine": NoiseSchedule.cosine, "linear": NoiseSchedule.linear}
STEPS = {"ddpm": ddpm, "ddim": ddim, "dpm_solver": dpm_solver}
DRAWS = {"stratified": stratified, "uniform": uniform, "logit-normal": logit_normal()}
WEIGHTS = {"simple": None, "min-snr": min_snr}
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SCORES = {"frechet": "Fréchet distance", "sure": "share that is sure", "entropy": "entropy over classes, bits",
          "agreement": "share with the label asked for", "nearest": "nearest training image, median"}  # fmt: skip
BATCH = 500  # images sampled at a time


def choose_device(name: str | None = None) -> torch.device:
    """The named device, else CUDA or MPS if there is one, else the CPU; under torchrun each process has its own GPU."""
    if name is None:
        mps = torch.backends.mps.is_available() and "WORLD_SIZE" not in os.environ  # it cannot share a run
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if name == "cuda" else name
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device: expected one that this machine has, such as cpu; got {name!r}") from error


def train(options: argparse.Namespace) -> None:
    options.out = check_writable("out", options.out, ".safetensors")
    device = choose_device(options.device)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        _train(options, device)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _train(options: argparse.Namespace, device: torch.device) -> None:
    images, labels = datasets.digits() if options.data == "digits" else datasets.mnist("train")
    torch.manual_seed(options.seed)
    network = UNet(1, options.width, options.blocks, num_classes=10 if options.labels else None).to(device)
    if options.compile:
        network.compile()
    told, checkpoint = {"labels": labels} if options.labels else {}, options.out.with_suffix(".checkpoint")
    steps = training_steps(
        network, images.to(device), SCHEDULES[options.schedule](), weight=WEIGHTS[options.weight],
        draw=DRAWS[options.draw], precision=PRECISIONS[options.precision], checkpoint=checkpoint,
        **{key: getattr(options, key) for key in ("steps", "batch_size", "lr", "target", "seed", "checkpoint_every")},
        **told,
    )  # fmt: skip
    stop: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: stop.append(1))  # heeded between two steps
    try:
        shown = progress_bar(steps, options.steps)
        for run in shown:
            if stop and len(run.losses) < options.steps:
                shown.close()
                steps.close()  # which writes the checkpoint
                at = f"step {len(run.losses)} of {options.steps}"
                raise KeyboardInterrupt(f"interrupted after {at}; the same command goes on from there")
    finally:
        signal.signal(signal.SIGINT, before)
    if processes()[0] > 0:
        return
    card = {
        "data": f"{options.data}, {len(images):,} images", "command": options.words, "seed": options.seed,
        "steps": options.steps, "parameters": sum(p.numel() for p in network.parameters()),
        "process_seconds": round(run.progress["process_seconds"]),
        "machine": f"{device.type}, {torch.get_num_threads()} threads, {platform.machine()}",
        "torch": torch.__version__, "loss": sum(run.losses[-200:]) / len(run.losses[-200:]),
    }  # fmt: skip
    save_denoiser(run.denoiser, options.out, card)
    checkpoint.unlink()
    print(f"wrote {options.out}: {card['parameters']:,} parameters, loss {card['loss']:.4f}")


def _walks(options: argparse.Namespace) -> Iterator[tuple[Tensor | None, Iterator[Tensor]]]:
    """Labels (or None) and the sampler's walk, batch by batch: the same images on every device, but for rounding."""
    denoiser = load_pretrained(options.weights).to(choose_device(options.device), PRECISIONS[options.precision])
    if options.eta != 1 and options.method == "ddpm":
        raise ValueError(f"eta: expected 1 with ddpm, got {options.eta:g}; use ddim or dpm_solver")
    classes, edit = denoiser.network.options.get("num_classes"), clip(options.clip)
    if options.label is not None and not 0 <= options.label < (classes or 0):
        raise ValueError(f"label: expected one of the model's {classes or 'no'} labels, got {options.label}")
    step = ddpm() if options.method == "ddpm" else STEPS[options.method](options.eta)
    denoiser = denoiser if options.guidance == 1 else Guided(denoiser, options.guidance)
    asked = range(classes or 1) if options.label is None else [options.label]
    labels = torch.tensor(list(islice(cycle(asked), check_whole("n", options.n))))
    generator = torch.Generator().manual_seed(check_whole("seed", options.seed, 0, 2**31))
    for batch in labels.split(BATCH):
        told = {} if classes is None else {"labels": batch}
        shape = (len(batch), 1, 28, 28)
        states = walk(denoiser, shape, denoiser.path, step, steps=options.steps, edit=edit, generator=generator, **told)
        yield told.get("labels"), states


def sample(options: argparse.Namespace) -> None:
    out = check_writable("out", options.out, ".png", ".gif")
    check_whole("columns", options.columns)
    movie = out.suffix.lower() == ".gif"
    kept = []  # of each batch, the states to show
    for _, states in _walks(options):
        states = [state.cpu() for state in tqdm(states, total=options.steps + 1, unit="state")]
        kept.append(states if movie else states[-1:])
    grids = [image_grid(torch.cat(batches), options.columns) for batches in zip(*kept, strict=True)]
    pictures = [Image.fromarray((grid * 255).round().byte().numpy()) for grid in grids]
    with whole(out) as unfinished:
        if movie:
            save_gif(pictures + pictures[-1:] * 10, unfinished)  # the end stays for a second
        else:
            pictures[0].save(unfinished, "PNG", optimize=True)
    print(f"wrote {out}: {options.n} images")


def evaluate(options: argparse.Namespace) -> None:
    judge = load_judge()
    check_whole("n", options.n, FLOORS[0], FLOORS[-1])
    begin, samples, asked = time.perf_counter(), [], []
    for labels, states in _walks(options):
        samples.append(deque(tqdm(states, total=options.steps + 1, unit="state", leave=False), maxlen=1)[0].cpu())
        asked.append(labels)
    seconds = time.perf_counter() - begin
    samples, labels = torch.cat(samples), None if asked[0] is None else torch.cat(asked)
    found, expected = _copies(samples)
    report = {name: getattr(options, name) for name in ("weights", "method", "steps", "eta", "guidance", "seed")} | {
        "network_calls": options.steps * (1 if options.guidance == 1 else 2),
        "seconds": seconds,
        "scores": asdict(judge(samples, labels)) | {"nearest": found},
        "floor": asdict(judge.real(options.n, balanced=labels is not None)) | {"nearest": expected},
    }
    if options.label is not None:
        print("With one --label the Fréchet distance is far above the floor, which is of all digits.", file=sys.stderr)
    if options.json:
        print(json.dumps(report))
        return
    print(f"{options.n} images, {report['network_calls']} network calls each, {seconds:.1f} s")
    for name, text in SCORES.items():
        if (score := report["scores"][name]) is not None:
            print(f"{text:32} {score:8.3f}   real images: {report['floor'][name]:.3f}")


def _copies(samples: Tensor, n: int = 500) -> tuple[float, float] | tuple[None, None]:
    """The median distance to the nearest training image, of samples and of test images: much less is a copy."""
    try:
        training, test = datasets.mnist("train")[0], datasets.mnist("test")[0]
    except DataNotFoundError as error:
        print(f"no distance to the nearest training image: {error}", file=sys.stderr)
        return None, None
    test = test[:: max(1, len(test) // n)]  # all through the set: its halves come from different writers
    return tuple(nearest(images[:n], training)[0].median().item() for images in (samples, test))
