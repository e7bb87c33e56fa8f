"""The command line: ``diffusion-lab train``, ``sample`` and ``evaluate``; also ``python -m diffusion_lab``.

On several GPUs or machines, ``torchrun --nproc-per-node 2 -m diffusion_lab train ...``: what one process would do is
shared among them. What the commands do is in :mod:`.commands`.
"""

import shlex
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser
from collections.abc import Callable
from importlib.metadata import version

from . import CheckpointError, DataNotFoundError, TrainingError, WeightsError, commands
from .pretrained import NAMES
from .targets import TARGETS

ERRORS = (TypeError, ValueError, OSError, DataNotFoundError, WeightsError, CheckpointError, TrainingError)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns 0, 1 after an error, which is then on stderr, or 130 after an interruption."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(arguments)
    options.words = shlex.join(["diffusion-lab", *arguments])
    try:
        options.run(options)
    except ERRORS as error:
        print(f"diffusion-lab {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interruption:
        what = str(interruption) or "interrupted; nothing was written"
        print(f"diffusion-lab {options.command}: {what}", file=sys.stderr)
        return 130
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="diffusion-lab", description="Train, sample and judge small diffusion models.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('diffusion-lab')}")
    words = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable, text: str) -> Callable:
        added = words.add_parser(name, help=text, description=text, formatter_class=ArgumentDefaultsHelpFormatter)
        added.set_defaults(run=run)
        added.add_argument("--device", help="cuda, mps or cpu; the best there is if left out")
        added.add_argument("--seed", type=int, default=0, help="of all randomness")
        return added.add_argument

    add = command("train", commands.train, "Train a U-Net on digits. Called again after an interruption, it goes on.")
    add("out", help="file to write, *.safetensors")
    add("--data", choices=["mnist", "digits"], default="mnist", help="digits are scikit-learn's, enlarged")
    add("--labels", action="store_true", help="train with labels, to choose the digit and for guidance")
    add("--width", type=int, default=32, help="channels of the U-Net's top level")
    add("--blocks", type=int, default=2, help="residual blocks a level")
    add("--steps", type=int, default=5000, help="batches")
    add("--batch-size", type=int, default=commands.RECIPE["batch_size"], help="images a batch, over all processes")
    add("--lr", type=float, default=commands.RECIPE["lr"], help="highest learning rate of the cycle")
    add("--target", choices=list(TARGETS), default=commands.RECIPE["target"], help="what the network predicts")
    add("--weight", choices=list(commands.WEIGHTS), default="simple", help="of the loss over time")
    add("--draw", choices=list(commands.DRAWS), default="stratified", help="where times are drawn")
    add("--schedule", choices=list(commands.SCHEDULES), default="cosine", help="of the noise, with 1,000 steps")
    add("--precision", choices=list(commands.PRECISIONS), default="float32", help="of the arithmetic")
    add("--compile", action="store_true", help="use torch.compile")
    add("--checkpoint-every", type=int, default=commands.RECIPE["checkpoint_every"], help="steps between checkpoints")

    for name, run, text in (
        ("sample", commands.sample, "Draw images from a model into a PNG, or all of their way into a GIF."),
        ("evaluate", commands.evaluate, "Sample from a model of MNIST and judge it, each number beside its floor."),
    ):
        add = command(name, run, text)
        add("weights", help=f"{' or '.join(NAMES)}, or a file that train wrote")
        if name == "sample":
            add("out", help="file to write, *.png or *.gif")
        add("--n", type=int, default=100 if name == "sample" else 1000, help="how many images")
        add("--label", type=int, help="the digit to ask for; each in turn if left out")
        add("--method", choices=list(commands.STEPS), default="dpm_solver", help="the sampler")
        add("--steps", type=int, default=20, help="steps of the sampler")
        add("--eta", type=float, default=1.0, help="noise on the way, 0 to 1; with ddpm always 1")
        add("--guidance", type=float, default=1.0, help="scale; 1 is none; doubles the work of a step")
        add("--clip", type=float, default=1.0, help="bound on predictions of x_0")
        add("--precision", choices=list(commands.PRECISIONS), default="float32", help="of the network")
        if name == "sample":
            add("--columns", type=int, default=10, help="images in a row")
        else:
            add("--json", action="store_true", help="print the scores as one JSON object")
    return parser
