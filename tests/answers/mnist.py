"""Answers to the exercises of chapter 5."""

import itertools

import torch
import torch.nn.functional as F

from diffusion_lab import Guided

from . import instead, right, wrong

# ---- blend ----------------------------------------------------------------------------------------------------------


@right("blend")
def three_weights(network, x_t, t, one, other, share, scale):
    if share < 0 or share > 1:
        raise ValueError("share")
    nobody = -torch.ones(len(x_t), dtype=torch.long)
    weights = {one: scale * share, other: scale * (1 - share)}
    out = (1 - scale) * network(x_t, t, labels=nobody)
    for digit, weight in weights.items():
        out = out + weight * network(x_t, t, labels=nobody + 1 + digit)
    return out


@right("blend")
def in_one_batch(network, x_t, t, one, other, share, scale):
    if not 0.0 <= share <= 1.0:
        raise ValueError("share")
    labels = torch.tensor([one, other, -1]).repeat_interleave(len(t))
    told_one, told_other, free = network(x_t.repeat(3, 1, 1, 1), t.repeat(3), labels=labels).chunk(3)
    told = torch.lerp(told_other, told_one, share)
    return free.lerp(told, scale)


wrong("blend", "have each other's places, so that at s = 1 nobody is heard")(
    instead(in_one_batch, "free.lerp(told, scale)", "told.lerp(free, scale)")
)
wrong("blend", "this counts as the paper's w does")(
    instead(in_one_batch, "free.lerp(told, scale)", "(1 + scale) * told - scale * free")
)
wrong("blend", "the difference is added to nothing")(
    instead(in_one_batch, "free.lerp(told, scale)", "scale * (told - free)")
)
wrong("blend", "`scale` is not used")(instead(in_one_batch, "free.lerp(told, scale)", "told"))
wrong("blend", "the scale is 2 whatever")(instead(in_one_batch, "free.lerp(told, scale)", "free.lerp(told, 2.0)"))
wrong("blend", "here it is the other way round")(
    instead(in_one_batch, "(told_other, told_one,", "(told_one, told_other,")
)
wrong("blend", "a share of -0.1: it is let through")(instead(in_one_batch, "not 0.0 <= share <= 1.0", "share > 1.0"))


@wrong("blend", "the network is told the one between them")
def a_digit_in_between(network, x_t, t, one, other, share, scale):
    if not 0 <= share <= 1:
        raise ValueError("share")
    label = torch.full_like(t, round(share * one + (1 - share) * other))
    told, not_told = network(x_t, t, labels=label), network(x_t, t)
    return not_told + scale * (told - not_told)


wrong("blend", "cut off to a whole one")(instead(a_digit_in_between, "round(", "int("))


@wrong("blend", "it calls diffusion_lab.guidance.Guided.forward")
def ours_called(network, x_t, t, one, other, share, scale):
    if not 0 <= share <= 1:
        raise ValueError("share")
    guided = Guided(network, scale, away_from={"labels": -1})
    first, second = (guided(x_t, t, labels=torch.full((len(t),), digit)) for digit in (one, other))
    return share * first + (1 - share) * second


# ---- receptive_field ------------------------------------------------------------------------------------------------


@right("receptive_field")
def from_the_last_layer(layers):
    """How many pixels are needed for one place of the last layer, going back."""
    needed = 1
    for kernel, stride in reversed(layers):
        if min(kernel, stride) < 1:
            raise ValueError("layers")
        needed = (needed - 1) * stride + kernel
    return needed


@right("receptive_field")
def jumps_first(layers):
    kernels, strides = [k for k, _ in layers], [s for _, s in layers]
    if any(number < 1 for number in kernels + strides):
        raise ValueError("a kernel or a stride below 1")
    jumps = itertools.accumulate(strides, lambda a, b: a * b, initial=1)
    return 1 + sum(jump * (kernel - 1) for jump, kernel in zip(jumps, kernels, strict=False))


@wrong("receptive_field", "a layer's own stride does not widen its window")
def stride_too_early(layers):
    window = jump = 1
    for kernel, stride in layers:
        if kernel < 1 or stride < 1:
            raise ValueError("layers")
        jump *= stride
        window += (kernel - 1) * jump
    return window


wrong("receptive_field", "strides are left out")(instead(stride_too_early, "jump *= stride", "jump = 1"))
wrong("receptive_field", "each layer's own stride alone")(instead(stride_too_early, "jump *= stride", "jump = stride"))
wrong("receptive_field", "only the stride of the layer before is counted")(
    instead(stride_too_early, "jump *= stride\n        window += (kernel - 1) * jump",
            "window += (kernel - 1) * jump\n        jump = stride")
)  # fmt: skip
wrong("receptive_field", "strides are added up")(
    instead(stride_too_early, "jump *= stride\n        window += (kernel - 1) * jump",
            "window += (kernel - 1) * jump\n        jump += stride - 1")
)  # fmt: skip
wrong("receptive_field", "a layer adds kernel - 1, and not its kernel")(
    instead(stride_too_early, "(kernel - 1) * jump", "kernel * jump")
)
wrong("receptive_field", "the place itself is not counted")(instead(jumps_first, "1 + sum(", "sum("))
wrong("receptive_field", "the layers are taken from the last to the first")(
    instead(from_the_last_layer, "reversed(layers)", "layers")
)
wrong("receptive_field", "a stride of 0: it is let through")(
    instead(from_the_last_layer, "min(kernel, stride) < 1", "kernel < 1")
)

# ---- fold_by_hand ---------------------------------------------------------------------------------------------------


@right("fold_by_hand")
def every_second_pixel(x):
    if x.shape[-1] % 2 or x.shape[-2] % 2:
        raise ValueError("x")
    corners = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(corners, dim=2).flatten(1, 2)


@right("fold_by_hand")
def one_reshape_more(x):
    H, W = x.shape[2:]
    if H % 2 or W % 2:
        raise ValueError(f"{H} by {W}")
    rows = x.unflatten(2, (-1, 2)).transpose(2, 3)  # (B, C, 2, H/2, W)
    return rows.unflatten(4, (-1, 2)).movedim(5, 3).reshape(len(x), -1, H // 2, W // 2)


wrong("fold_by_hand", "the upper right ones come first")(
    instead(every_second_pixel, "for row in (0, 1) for column in (0, 1)", "for column in (0, 1) for row in (0, 1)")
)
wrong("fold_by_hand", "the four of one channel belong together")(instead(every_second_pixel, "dim=2", "dim=1"))
wrong("fold_by_hand", "an odd width: expected a ValueError, got RuntimeError")(
    instead(one_reshape_more, "H % 2 or W % 2", "H % 2")
)


@wrong("fold_by_hand", "a channel is a strip of the picture")
def reshaped(x):
    B, C, H, W = x.shape
    if H % 2 or W % 2:
        raise ValueError("x")
    return x.reshape(B, 4 * C, H // 2, W // 2)


wrong("fold_by_hand", "each channel holds a quarter of the picture")(
    instead(reshaped, "x.reshape(", "x.reshape(B, C, 2, H // 2, 2, W // 2).permute(0, 1, 2, 4, 3, 5).reshape(")
)
wrong("fold_by_hand", "bring the two axes inside a square to the front")(
    instead(reshaped, "x.reshape(", "x.reshape(B, C, H // 2, 2, W // 2, 2).reshape(")
)


@wrong("fold_by_hand", "it calls torch.nn.functional.pixel_unshuffle")
def theirs_called(x):
    if x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError("x")
    return F.pixel_unshuffle(x, 2)
