"""Train the judge of digits anew and write ``diffusion_lab/weights/judge.safetensors``: some six minutes of one core.

Its floors are measured on the way: what real images get, over many draws of each size.
"""

import math
import time
from dataclasses import asdict
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_lab import Gaussian, Judge, datasets
from diffusion_lab.judge import FLOORS, MEASURED, DigitClassifier
from diffusion_lab.pretrained import shipped, write_weights

DRAWS = 200


def train_judge(epochs: int = 10, batch_size: int = 128, lr: float = 4e-3, seed: int = 0) -> DigitClassifier:
    """The classifier, trained on MNIST's 60,000 training images, each moved by up to two pixels at every visit."""
    torch.manual_seed(seed)
    images, labels = datasets.mnist("train")
    classifier = DigitClassifier()
    steps = epochs * (len(images) // batch_size)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=lr, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(batch_size)[: len(images) // batch_size]:
            loss = F.cross_entropy(classifier(moved(images[index])), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return classifier.eval().requires_grad_(False)


def moved(images: Tensor) -> Tensor:
    """Each image moved by -2..2 pixels across and down; what comes in from outside is black."""
    padded = F.pad(images[:, 0], (2, 2, 2, 2), value=-1.0)
    down, across = torch.randint(0, 5, (2, len(images), 1, 1))
    row, column = torch.arange(28)[None, :, None] + down, torch.arange(28)[None, None, :] + across
    return padded[torch.arange(len(images))[:, None, None], row, column][:, None]


def main() -> None:
    begin = time.process_time()
    classifier = train_judge()
    seconds = time.process_time() - begin
    images, labels = datasets.mnist("test")
    judge = Judge(classifier, reference=None, floors={}, accuracy=math.nan)
    features = judge.features(images)
    judge.reference = Gaussian.of(features)
    accuracy = (classifier.decide(features).argmax(1) == labels).float().mean().item()

    images, labels = datasets.mnist("train")
    features, g = judge.features(images), torch.Generator().manual_seed(0)
    floors = []
    for n, balanced in product(FLOORS, (False, True)):
        verdicts = []
        for _ in range(DRAWS):
            draw = torch.randperm(len(images), generator=g)  # MNIST is not stored in random order
            if balanced:
                draw = torch.cat([draw[labels[draw] == digit][: n // 10] for digit in range(10)])
            draw = draw[:n]
            verdicts.append(asdict(judge.of_features(features[draw], labels[draw])))
        mean = {name: sum(verdict[name] for verdict in verdicts) / len(verdicts) for name in MEASURED}
        floors.append({"n": n, "balanced": balanced} | mean)
        print(floors[-1], flush=True)
    tensors = classifier.state_dict() | {
        "reference.mean": judge.reference.mean,
        "reference.covariance": judge.reference.covariance,
    }
    notes = {"kind": "judge", "accuracy": accuracy, "floors": floors, "command": "python benchmarks/train_judge.py"}
    write_weights(shipped("judge.safetensors"), tensors, notes)
    print(f"test accuracy {accuracy:.4f}, {seconds:.0f} CPU-seconds of training")


if __name__ == "__main__":
    main()
