"""A judge of digits: a small classifier that we trained, and what its features say about generated images.

Inception-FID, the field's usual score, looks through a network that was trained on colour photographs of a thousand
kinds of things. On grey digits, which it has never met, its features mean little: distances in them do not tell a good
digit from a bad one. Here the features are those of a network that was trained to read digits.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import check_labels, check_samples, check_whole
from .metrics import Gaussian, frechet_distance
from .pretrained import read_weights, shipped

SURE = 0.99
FLOORS = (100, 200, 500, 1000, 2000, 5000, 10_000)
MEASURED = ("frechet", "sure", "entropy", "agreement")


class DigitClassifier(nn.Module):
    """``(B, 1, 28, 28)`` images in [-1, 1] to ``(B, 10)`` logits; ``features`` gives the ``(B, 64)`` that it reads."""

    def __init__(self):
        super().__init__()

        def stage(channels_in: int, channels_out: int) -> nn.Sequential:
            conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU(), nn.MaxPool2d(2))

        self.features = nn.Sequential(
            stage(1, 24), stage(24, 48), stage(48, 64), nn.Flatten(), nn.Linear(64 * 3 * 3, 64), nn.ReLU()
        )
        self.decide = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.decide(F.dropout(self.features(images), 0.2, self.training))


@dataclass(frozen=True)
class Verdict:
    """What the judge found in ``n`` images. Compare it with ``judge.real(n)``, which is the same for real images, or,
    where each digit was asked for equally often, with ``judge.real(n, balanced=True)``.

    Attributes:
        n: how many images were judged.
        frechet: Fréchet distance of their features from those of MNIST's 10,000 test images.
        sure: share of the images to which the classifier gives a class with a probability of at least 0.99. It was
            never shown anything but digits, and is sure of pure noise too: read it beside the Fréchet distance.
        entropy: of the mean over the images of the classes' probabilities, in bits: log2(10) = 3.32 if all digits come
            equally often, 0 if only one does.
        agreement: share of the images in which the classifier sees the label asked for; None if none was.
    """

    n: int
    frechet: float
    sure: float
    entropy: float
    agreement: float | None = None


@dataclass(eq=False)
class Judge:
    """The classifier and what it finds in real images: ``judge(images, labels)`` gives a :class:`Verdict`.

    Attributes:
        classifier: a :class:`DigitClassifier` in evaluation mode.
        reference: the :class:`Gaussian` of its features over the 10,000 test images of MNIST.
        floors: what real images get, by how many they are and whether each digit comes equally often.
        accuracy: the share of the test images that it reads correctly.
    """

    classifier: DigitClassifier
    reference: Gaussian
    floors: dict[tuple[int, bool], Verdict]
    accuracy: float

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """``(N, 1, 28, 28)`` images to ``(N, 64)`` features, on the CPU."""
        check_samples("images", images)
        if images.shape[1:] != (1, 28, 28):
            raise ValueError(f"images: expected shape (N, 1, 28, 28), got {tuple(images.shape)}")
        device = next(self.classifier.parameters()).device
        return torch.cat([self.classifier.features(x.to(device, torch.float32)).cpu() for x in images.split(500)])

    def __call__(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Judge ``(N, 1, 28, 28)`` images in [-1, 1], and, if given, whether they show ``(N,)`` labels.

        Raises:
            TypeError, ValueError: naming the argument that is off; fewer than two images among them.
        """
        if labels is not None:
            check_labels(labels, len(images))
        return self.of_features(self.features(images), labels)

    @torch.no_grad()
    def of_features(self, features: Tensor, labels: Tensor | None = None) -> Verdict:
        """The same from the ``(N, 64)`` features of the images."""
        device = next(self.classifier.parameters()).device
        probability = self.classifier.decide(features.to(device)).softmax(1).cpu()
        share = probability.mean(0)
        return Verdict(
            n=len(features),
            frechet=frechet_distance(features, self.reference),
            sure=(probability.amax(1) >= SURE).float().mean().item(),
            entropy=-(share * share.clamp(min=1e-30).log2()).sum().item(),
            agreement=None if labels is None else (probability.argmax(1) == labels.cpu()).float().mean().item(),
        )

    def real(self, n: int, balanced: bool = False) -> Verdict:
        """The floor: what ``n`` training images get, on average over draws. Between the sizes that were measured it is
        interpolated in ``1 / n``, along which the Fréchet distance is nearly straight.

        Args:
            n: how many, 100 to 10,000.
            balanced: each digit equally often, as in samples whose labels were asked for in turn; otherwise drawn
                at random, so that how often a digit comes is left to chance, as in samples without labels.

        Raises:
            ValueError: if n is below 100 or above 10,000.
        """
        check_whole("n", n, FLOORS[0], FLOORS[-1])
        known = [self.floors[size, balanced] for size in FLOORS]
        places = [-1 / verdict.n for verdict in known]
        mixed = {name: np.interp(-1 / n, places, [getattr(v, name) for v in known]).item() for name in MEASURED}
        return Verdict(n=n, **mixed)


def load_judge() -> Judge:
    """The judge that comes with the package; needs neither data nor a network connection.

    Raises:
        WeightsError: if its file is damaged.
    """
    tensors, notes = read_weights(shipped("judge.safetensors"))
    reference = Gaussian(tensors.pop("reference.mean"), tensors.pop("reference.covariance"))
    classifier = DigitClassifier()
    classifier.load_state_dict(tensors)
    floors = {(verdict["n"], verdict.pop("balanced")): Verdict(**verdict) for verdict in notes["floors"]}
    return Judge(classifier.eval().requires_grad_(False), reference, floors, notes["accuracy"])
