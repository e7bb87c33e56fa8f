"""The command line: ``diffusion-lab train``, ``sample`` and ``evaluate``; also ``python -m diffusion_lab``.

On several GPUs or machines, ``torchrun --nproc-per-node 2 -m diffusion_lab train ...``: what one process would do is
shared among them.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path
from typing import get_args

import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from . import datasets
from .checkpoints import CheckpointError
from .checks import check_whole
from .datasets import DataNotFoundError
from .denoiser import Target, Weighting
from .figures import image_grid, save_gif
from .guidance import Guided
from .judge import load_judge
from .metrics import nearest
from .models import UNet
from .pretrained import NAMES, WeightsError, load_pretrained, save_denoiser
from .sampling import SAMPLERS
from .schedule import NoiseSchedule
from .training import TrainingError, train

SCHEDULES = {"cosine": NoiseSchedule.cosine, "linear": NoiseSchedule.linear}
BATCH = 500  # images sampled at a time


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, or 1 after an error, which is then on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    options.words = shlex.join(["diffusion-lab", *arguments])
    try:
        options.run(options)
    except (TypeError, ValueError, OSError, DataNotFoundError, WeightsError, CheckpointError, TrainingError) as error:
        print(f"diffusion-lab {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
        pass

    parser = argparse.ArgumentParser(
        prog="diffusion-lab", description="Train, sample and judge small diffusion models."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, formatter_class=Formatter)
        added.set_defaults(run=run)
        added.add_argument("--device", default=None, help="cuda, mps or cpu; the best there is if left out")
        added.add_argument("--seed", type=int, default=0, help="of all randomness")
        return added

    p = command("train", train_command, "Train a U-Net on digits. Called again after an interruption, it goes on.")
    p.add_argument("out", type=_file(".safetensors"), help="file to write, *.safetensors")
    p.add_argument("--data", choices=["mnist", "digits"], default="mnist", help="digits are scikit-learn's, enlarged")
    p.add_argument("--labels", action="store_true", help="train with labels, to choose the digit and for guidance")
    p.add_argument("--width", type=int, default=32, help="channels of the U-Net's top level")
    p.add_argument("--blocks", type=int, default=2, help="residual blocks a level")
    p.add_argument("--steps", type=int, default=5000, help="batches")
    p.add_argument("--batch-size", type=int, default=64, help="images a batch, over all processes")
    p.add_argument("--lr", type=float, default=3e-3, help="highest learning rate of the cycle")
    p.add_argument("--target", choices=get_args(Target), default="v", help="what the network predicts")
    p.add_argument("--weighting", choices=get_args(Weighting), default="simple", help="of the loss over time")
    p.add_argument("--schedule", choices=list(SCHEDULES), default="cosine", help="of the noise, with 1,000 steps")
    p.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="of the arithmetic")
    p.add_argument("--compile", action="store_true", help="use torch.compile")

    for name, run, text in (
        ("sample", sample_command, "Draw images from a model into a PNG, or all of their way out of noise into a GIF."),
        ("evaluate", evaluate_command, "Sample from a model of MNIST and judge it, each number beside its floor."),
    ):
        p = command(name, run, text)
        p.add_argument("weights", help=f"{' or '.join(NAMES)}, or a file that train wrote")
        if name == "sample":
            p.add_argument("out", type=_file(".png", ".gif"), help="file to write, *.png or *.gif")
        p.add_argument("--n", type=int, default=100 if name == "sample" else 1000, help="how many images")
        p.add_argument("--label", type=int, default=None, help="the digit to ask for; each in turn if left out")
        p.add_argument("--method", choices=list(SAMPLERS), default="dpm_solver", help="the sampler")
        p.add_argument("--steps", type=int, default=20, help="steps of the sampler")
        p.add_argument(
            "--eta", type=float, default=None, help="noise on the way, 0 to 1; not for ddpm, else 1 if left out"
        )
        p.add_argument("--guidance", type=float, default=1.0, help="scale; 1 is none; doubles the work of a step")
        p.add_argument("--clip", type=float, default=1.0, help="bound on predictions of x_0")
        if name == "sample":
            p.add_argument("--columns", type=int, default=10, help="images in a row")
        else:
            p.add_argument("--json", action="store_true", help="print the scores as one JSON object")
    return parser


def _file(*endings: str) -> Callable[[str], Path]:
    def check(name: str) -> Path:
        if not name.lower().endswith(endings):
            raise argparse.ArgumentTypeError(f"expected a name that ends in {' or '.join(endings)}, got {name!r}")
        return Path(name)

    return check


def choose_device(name: str | None = None) -> torch.device:
    """The named device, else CUDA or MPS if there is one, else the CPU; under torchrun each process has its own GPU."""
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device: {name!r} cannot be used here ({str(error).splitlines()[0]})") from error


def train_command(options: argparse.Namespace) -> None:
    device = choose_device(options.device)
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if several:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        images, labels = datasets.digits() if options.data == "digits" else datasets.mnist("train")
        torch.manual_seed(options.seed)
        network = UNet(1, options.width, options.blocks, num_classes=10 if options.labels else None).to(device)
        schedule = SCHEDULES[options.schedule](T=1000)
        checkpoint = options.out.with_suffix(".checkpoint")
        begin, cpu = time.time(), time.process_time()
        run = train(
            network, images.to(device), schedule, labels=labels if options.labels else None, steps=options.steps,
            batch_size=options.batch_size, lr=options.lr, target=options.target, weighting=options.weighting,
            timesteps="stratified", precision=options.precision, compile=options.compile, seed=options.seed,
            checkpoint=checkpoint,
        )  # fmt: skip
        if several and dist.get_rank() > 0:
            return
        card = {
            "data": f"{options.data}, {len(images):,} images",
            "command": options.words,
            "seed": options.seed,
            "steps": options.steps,
            "parameters": sum(p.numel() for p in network.parameters()),
            "seconds": round(time.time() - begin),
            "process_seconds": round(time.process_time() - cpu),
            "machine": f"{device.type}, {torch.get_num_threads()} threads, {platform.machine()}",
            "torch": torch.__version__,
            "loss": sum(run.losses[-200:]) / len(run.losses[-200:]),
        }
        save_denoiser(run.denoiser, options.out, card)
        checkpoint.unlink()
        print(f"wrote {options.out}: {card['parameters']:,} parameters, loss {card['loss']:.4f}")
    finally:
        if several:
            dist.destroy_process_group()


def _walks(options: argparse.Namespace) -> Iterator[tuple[Tensor | None, Iterator[Tensor]]]:
    """Labels (or None) and the sampler's walk, batch by batch: the same images on every device, but for rounding."""
    denoiser = load_pretrained(options.weights).to(choose_device(options.device))
    classes = denoiser.network.options.get("num_classes")
    if classes is None and (options.label is not None or options.guidance != 1):
        raise ValueError("label, guidance: this model was trained without labels")
    if options.eta is not None and options.method == "ddpm":
        raise ValueError("eta: ddpm has none; use ddim or dpm_solver")
    if options.eta is None and options.method != "ddpm":
        options.eta = 1.0  # better than 0 by measurement, see the chapter Fewer steps
    eta = {} if options.eta is None else {"eta": options.eta}
    asked = range(classes or 1) if options.label is None else [options.label]
    labels = torch.tensor(list(islice(cycle(asked), check_whole("n", options.n))))
    generator = torch.Generator().manual_seed(options.seed)
    for batch in labels.split(BATCH):
        batch_labels = None if classes is None else batch
        yield batch_labels, SAMPLERS[options.method](
            denoiser if options.guidance == 1 else Guided(denoiser, options.guidance),
            (len(batch), 1, 28, 28), denoiser.schedule, steps=options.steps, labels=batch_labels, clip=options.clip,
            generator=generator, **eta,
        )  # fmt: skip


def sample_command(options: argparse.Namespace) -> None:
    if not options.out.parent.is_dir():  # better now than after the long part
        raise ValueError(f"out: there is no folder {options.out.parent}")
    check_whole("columns", options.columns)
    movie = options.out.suffix.lower() == ".gif"
    kept = []  # of each batch, the states to show
    for _, walk in _walks(options):
        states = [state.cpu() for state in tqdm(walk, total=options.steps + 1, unit="state")]
        kept.append(states if movie else states[-1:])
    grids = [image_grid(torch.cat(batches), options.columns) for batches in zip(*kept, strict=True)]
    pictures = [Image.fromarray((grid * 255).round().byte().numpy()) for grid in grids]
    unfinished = options.out.with_name(options.out.name + ".part")
    if movie:
        save_gif(pictures + pictures[-1:] * 10, unfinished)  # the end stays for a second
    else:
        pictures[0].save(unfinished, "PNG", optimize=True)
    os.replace(unfinished, options.out)
    print(f"wrote {options.out}: {options.n} images")


def evaluate_command(options: argparse.Namespace) -> None:
    judge = load_judge()
    judge.real(options.n)  # checks n before the long part
    begin, samples, asked = time.perf_counter(), [], []
    for labels, walk in _walks(options):
        samples.append(deque(tqdm(walk, total=options.steps + 1, unit="state", leave=False), maxlen=1)[0].cpu())
        asked.append(labels)
    seconds = time.perf_counter() - begin
    samples, labels = torch.cat(samples), None if asked[0] is None else torch.cat(asked)
    verdict = asdict(judge(samples, labels))
    floor = asdict(judge.real(options.n, balanced=labels is not None))
    if options.label is not None:
        print(
            "The floor is of all digits together; with one --label the Fréchet distance is far above it.",
            file=sys.stderr,
        )
    calls = options.steps * (1 if options.guidance in (0, 1) else 2)
    report = {
        "weights": options.weights, "method": options.method, "steps": options.steps, "eta": options.eta,
        "guidance": options.guidance, "seed": options.seed, "network_calls": calls, "seconds": seconds,
        "scores": verdict, "floor": floor, "nearest": _copies(samples),
    }  # fmt: skip
    if options.json:
        print(json.dumps(report))
        return
    print(f"{options.n} images, {calls} network calls each, {seconds:.1f} s")
    for name, text in (
        ("frechet", "Fréchet distance"), ("sure", "share that is sure"), ("entropy", "entropy over classes, bits"),
        ("agreement", "share with the label asked for"),
    ):  # fmt: skip
        if verdict[name] is not None:
            print(f"{text:32} {verdict[name]:8.3f}   real images: {floor[name]:.3f}")
    if report["nearest"] is None:
        print("nearest training image: needs MNIST, which is not here")
    else:
        medians = report["nearest"]
        print(f"{'nearest training image, median':32} {medians['samples']:8.3f}   test images: {medians['test']:.3f}")


def _copies(samples: Tensor, n: int = 500) -> dict[str, float] | None:
    """The median distance to the nearest training image, of samples and of test images: much less is a copy."""
    try:
        training, test = datasets.mnist("train")[0], datasets.mnist("test")[0]
    except DataNotFoundError:
        return None
    test = test[:: max(1, len(test) // n)]  # all through the set: its halves come from different writers
    return {
        name: nearest(images[:n], training)[0].median().item()
        for name, images in (("samples", samples), ("test", test))
    }
