"""Exercises of chapter 5, MNIST."""

import torch
import torch.nn.functional as F

from ..guidance import Guided
from ..models import UNet
from .asking import equal, exercise, randn, refuses


@exercise(instead_of=["diffusion_lab.guidance.Guided.forward"])
def blend(answer, point, g):
    """blend(network, x_t, t, one, other, share, scale): guidance towards a mixture of two digits.

    ``network(x_t, t, labels=...)`` takes ``(B, 1, H, W)`` pictures, ``(B,)`` times and ``(B,)`` labels, and returns the
    velocity; without ``labels`` it is not told. ``one`` and ``other`` are digits, ``share`` and ``scale`` numbers.
    Returns the velocity of equation (5.2) with ``s = scale``, where the answer that was told is a mixture: ``share`` of
    the answer for ``one``, and the rest of the answer for ``other``. Raises ``ValueError`` unless ``0 <= share <= 1``.
    """
    network = UNet(width=8, blocks=1, num_classes=10)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=g)
    network.requires_grad_(False).label.weight[0] = 0  # "not told"
    B = 4
    x_t, t = randn(g, B, 1, 8, 8), torch.randint(1, 1001, (B,), generator=g)

    def lean(scale, digit):
        guided = Guided(network, scale, away_from={"labels": -1})
        return guided(x_t, t, labels=torch.full((B,), digit))

    not_told, three, eight = network(x_t, t), lean(1.0, 3), lean(1.0, 8)
    with point("one digit alone, at four scales"):
        for scale in (2.0, 1.0, 0.0, 3.5):
            difference = three - not_told
            slips = {
                "the answers told and not told have each other's places, so that at s = 1 nobody is heard: equation "
                "(5.2)": three - scale * difference,
                "the scale is 2 whatever `scale` is": not_told + 2 * difference,
                "s = 1 is no longer the network as it is: this counts as the paper's w does, and ours is s = 1 + w, "
                "equation (5.2)": three + scale * difference,
                "the difference is added to nothing; it starts from the answer that was not told: equation (5.2)": (
                    scale * difference
                ),
                "the answer that was told is multiplied, and the other is not used: equation (5.2)": scale * three,
                "`scale` is not used: this is the answer that was told, as it is": three,
                "nobody is told anything: this is the answer without labels": not_told,
                "share = 1 is all of `one`, and here it is all of `other`": not_told + scale * (eight - not_told),
            }
            equal("the velocity", answer(network, x_t, t, 3, 8, 1.0, scale), lean(scale, 3), slips, atol=1e-3)
    with point("a quarter of a 3 and the rest of an 8"):
        three, eight = lean(2.0, 3), lean(2.0, 8)
        slips = {
            "`share` belongs to `one`, and 1 - share to `other`: here it is the other way round": (
                0.75 * three + 0.25 * eight
            ),
            "the digits are mixed, and the network is told the one between them; mix its answers": lean(2.0, 7),
            "the digits are mixed, and cut off to a whole one; mix the network's answers": lean(2.0, 6),
            "`share` is not used: this is half of each": (three + eight) / 2,
            "`share` is not used: this is `one` alone": three,
            "`other` counts in full; the two shares are to add up to 1": 0.25 * three + eight,
        }
        wanted = 0.25 * three + 0.75 * eight  # (5.2) is linear in what was told
        equal("the velocity", answer(network, x_t, t, 3, 8, 0.25, 2.0), wanted, slips, atol=1e-3)
    with point("a share of 0"):
        equal("the velocity", answer(network, x_t, t, 3, 8, 0, 2), eight, atol=1e-3)
    with point("ValueError unless 0 <= share <= 1"):
        refuses(answer, network, x_t, t, 3, 8, 1.5, 2.0, because="a share of 1.5")
        refuses(answer, network, x_t, t, 3, 8, -0.1, 2.0, because="a share of -0.1")


@exercise()
def receptive_field(answer, point, g):
    """receptive_field(layers): how many pixels wide a convolutional network sees.

    ``layers`` is a list of ``(kernel, stride)`` pairs of whole numbers, the first layer first. Returns the width in
    pixels of the window that one place of the last layer sees, 1 for no layers. Raises ``ValueError`` if a kernel or a
    stride is below 1.
    """

    def seen(layers):
        """By the gradient, as the chapter does it: the last pixel on which the first place depends."""
        x = torch.ones(1, 1, 512, dtype=torch.float64, requires_grad=True)
        y = x
        for kernel, stride in layers:
            y = F.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
        y[0, 0, 0].backward()
        return x.grad[0, 0].nonzero().max().item() + 1

    def widened(layers, by=lambda kernel: kernel - 1):
        """What comes of adding up at the top, where no stride is counted."""
        return 1 + sum(by(kernel) for kernel, _ in layers)

    with point("layers of stride 1"):
        layers = [(3, 1), (5, 1), (3, 1)]
        slips = {
            "the kernels are multiplied; a layer widens the window, and does not repeat it": 45,
            "the kernels are added up; where they overlap they see the same: a layer adds kernel - 1": 11,
            "a layer adds kernel - 1, and not its kernel: the place itself is counted already": 12,
            "the place itself is not counted: with no layers it sees one pixel": 8,
            "this is the number of pixels in the window; its width is asked for": 81,
            "each side of the window is counted for itself; it grows by half of kernel - 1 on either": widened(
                layers, lambda kernel: 2 * (kernel - 1)
            ),
        }
        equal("the window", answer(layers), seen(layers), slips)
        equal("the window", answer([(3, 1)] * 4), 9)
    with point("layers with a stride"):
        layers = [(2, 2), (3, 1), (3, 2), (3, 3), (5, 1)]
        slips = {
            "strides are left out: after a stride of 2, neighbouring places are two pixels apart": widened(layers),
            "a layer's own stride does not widen its window; it moves the places of the layers after it": (
                1 + 1 * 2 + 2 * 2 + 2 * 4 + 2 * 12 + 4 * 12
            ),
            "strides are added up; after two strides of 2, neighbouring places are four pixels apart": (
                1 + 1 * 1 + 2 * 2 + 2 * 2 + 2 * 3 + 4 * 5
            ),
            "only the stride of the layer before is counted; strides multiply from layer to layer": (
                1 + 1 * 1 + 2 * 2 + 2 * 1 + 2 * 2 + 4 * 3
            ),
            "each layer's own stride alone is counted; strides multiply, and count for the layers after it": (
                1 + 1 * 2 + 2 * 1 + 2 * 2 + 2 * 3 + 4 * 1
            ),
            "the layers are taken from the last to the first; the first one looks at the pixels": seen(layers[::-1]),
        }
        equal("the window", answer(layers), seen(layers), slips)
        for _ in range(3):
            layers = list(zip(*(torch.randint(1, 5, (4,), generator=g).tolist() for _ in range(2)), strict=True))
            equal(f"the window of {layers}", answer(layers), seen(layers))
    with point("no layers"):
        slips = {"with no layers a place sees itself: one pixel": 0}
        equal("the window", answer([]), 1, slips)
    with point("ValueError for what is no layer"):
        refuses(answer, [(3, 1), (0, 1)], because="a kernel of 0")
        refuses(answer, [(3, 0)], because="a stride of 0")


@exercise(instead_of=["torch.nn.functional.pixel_unshuffle"])
def fold_by_hand(answer, point, g):
    """fold_by_hand(x): every square of 2 by 2 pixels becomes one place with four times the channels.

    ``x`` is ``(B, C, H, W)``. Returns ``(B, 4 C, H / 2, W / 2)``, what ``F.pixel_unshuffle(x, 2)`` returns, without
    calling it: for each channel the upper left pixels of the squares, then the upper right, the lower left and the
    lower right ones. Raises ``ValueError`` if ``H`` or ``W`` is odd.
    """
    for name, (B, C, H, W) in (("grey pictures", (2, 1, 6, 6)), ("colour pictures, wider than high", (2, 3, 4, 8))):
        x = randn(g, B, C, H, W)
        squares, quarters = x.view(B, C, H // 2, 2, W // 2, 2), x.view(B, C, 2, H // 2, 2, W // 2)
        shape = B, 4 * C, H // 2, W // 2
        with point(name):
            slips = {
                "nothing has changed its place, and so a channel is a strip of the picture: before the last reshape, "
                "bring the two axes inside a square to the front, next to C": x.reshape(shape),
                "each channel holds a quarter of the picture; it is to hold one pixel of every square": (
                    quarters.permute(0, 1, 2, 4, 3, 5).reshape(shape)
                ),
                "the second channel holds the lower left pixels; the upper right ones come first": (
                    squares.permute(0, 1, 5, 3, 2, 4).reshape(shape)
                ),
                "the four pixels of a square come before the channels; the four of one channel belong together": (
                    squares.permute(0, 3, 5, 1, 2, 4).reshape(shape)
                ),
                "height and width have changed places": F.pixel_unshuffle(x, 2).mT,
                "this is the mean of each square; all four of its pixels are to be kept": F.avg_pool2d(x, 2),
                "only one pixel of each square is kept; all four are to be": x[:, :, ::2, ::2],
            }
            equal("the folded picture", answer(x), F.pixel_unshuffle(x, 2), slips)
    with point("ValueError for an odd side"):
        refuses(answer, torch.zeros(1, 1, 5, 4), because="an odd height")
        refuses(answer, torch.zeros(1, 1, 4, 5), because="an odd width")
