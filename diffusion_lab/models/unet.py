"""A U-Net for images: down to see the whole, up to place the details, with skips so that no detail is lost.

Source: Ronneberger et al. 2015; for diffusion, Ho et al. 2020, appendix B, and Dhariwal & Nichol 2021, section 3.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_labels, check_whole
from .embedding import TimeEmbedding, check_shapes


class ResidualBlock(nn.Module):
    """``x + conv(act(scale * norm(conv(act(norm(x)))) + shift))``, where scale and shift come from the embedding.

    ``(B, channels_in, H, W)`` and ``(B, embedding)`` to ``(B, channels_out, H, W)``.
    """

    def __init__(self, channels_in: int, channels_out: int, embedding: int):
        super().__init__()
        self.norm_1 = group_norm(channels_in)
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.scale_shift = nn.Linear(embedding, 2 * channels_out)
        self.norm_2 = group_norm(channels_out)
        self.conv_2 = zero(nn.Conv2d(channels_out, channels_out, 3, padding=1))  # the block begins as the identity
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv_1(F.silu(self.norm_1(x)))
        scale, shift = self.scale_shift(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_2(F.silu(self.norm_2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class SelfAttention(nn.Module):
    """Every place looks at every other: ``x + project(softmax(q k^T / sqrt(d)) v)``, on ``(B, C, H, W)``."""

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        qkv = self.qkv(self.norm(x)).view(B, 3, self.heads, C // self.heads, H * W).transpose(3, 4)
        q, k, v = qkv.unbind(1)  # each (B, heads, H W, C / heads)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.project(h.transpose(2, 3).reshape(B, C, H, W))


class UNet(nn.Module):
    """``(B, channels, H, W)`` images and ``(B,)`` times to ``(B, channels, H, W)``; H and W multiples of 4.

    Images are first folded: each 2x2 square of pixels becomes one place with four times the channels, so the top
    level already works at half the size, at a quarter of the cost. The second level works at a quarter of the size.

    Args:
        channels: 1 for grey images, 3 for colour.
        width: channels of the top level, a multiple of 8; the lower level has twice as many.
        blocks: residual blocks a level, on the way down and on the way up.
        attention: whether places attend to each other at the lowest level.
        num_classes: with labels, how many there are; a label is ``0..num_classes-1``, or -1 for "not told".

    Attributes:
        nothing: what "not told" is for each condition.

    Raises (in ``forward``):
        ValueError: naming ``x_t`` or ``t`` where its shape is off.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 48,
        blocks: int = 2,
        attention: bool = True,
        num_classes: int | None = None,
    ):
        super().__init__()
        if check_whole("width", width, 8) % 8:
            raise ValueError(f"width: expected a multiple of 8, got {width}")
        check_whole("channels", channels)
        check_whole("blocks", blocks)
        if num_classes is not None:
            check_whole("num_classes", num_classes)
        self.channels, self.num_classes = channels, num_classes
        self.nothing = {} if num_classes is None else {"labels": -1}
        self.options = {"channels": channels, "width": width, "blocks": blocks, "attention": attention,
                        "num_classes": num_classes}  # fmt: skip
        top, low, embedding = width, 2 * width, 4 * width

        self.time = nn.Sequential(TimeEmbedding(embedding), nn.SiLU())
        # Row 0, "not told", is zero and stays so. The others begin as random directions: begun at zero, they take long
        # to grow apart.
        self.label = None if num_classes is None else nn.Embedding(num_classes + 1, embedding, padding_idx=0)

        self.fold = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, top, 3, padding=1))
        self.down_top = nn.ModuleList([ResidualBlock(top, top, embedding) for _ in range(blocks)])
        self.shrink = nn.Conv2d(top, low, 3, stride=2, padding=1)
        self.down_low = nn.ModuleList([ResidualBlock(low, low, embedding) for _ in range(blocks)])
        self.attend = SelfAttention(low) if attention else nn.Identity()
        # On the way up each block first reads what the block across the U has set aside.
        self.up_low = nn.ModuleList([ResidualBlock(2 * low, low, embedding) for _ in range(blocks)])
        self.grow = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(low, top, 3, padding=1))
        self.up_top = nn.ModuleList([ResidualBlock(2 * top, top, embedding) for _ in range(blocks)])
        self.unfold = nn.Sequential(
            group_norm(top), nn.SiLU(), zero(nn.Conv2d(top, 4 * channels, 3, padding=1)), nn.PixelShuffle(2)
        )

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        check_shapes(x_t, t)
        if x_t.ndim != 4 or x_t.shape[1] != self.channels or x_t.shape[2] % 4 or x_t.shape[3] % 4:
            raise ValueError(f"x_t: expected (B, {self.channels}, 4 h, 4 w) with whole h and w, got {tuple(x_t.shape)}")
        embedding = self.time(t)  # (B, 4 width)
        if labels is not None:  # without them, that of "not told" would be added, which is zero
            if self.label is None or labels.shape != t.shape:
                taken = "none without num_classes" if self.label is None else f"shape {tuple(t.shape)}"
                raise ValueError(f"labels: expected {taken}, got shape {tuple(labels.shape)}")
            embedding = embedding + self.label(labels + 1)

        h, skips = self.fold(x_t), []  # (B, width, H/2, W/2)
        for block in self.down_top:
            h = block(h, embedding)
            skips.append(h)
        h = self.shrink(h)  # (B, 2 width, H/4, W/4)
        for block in self.down_low:
            h = block(h, embedding)
            skips.append(h)
        h = self.attend(h)
        for block in self.up_low:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        h = self.grow(h)  # (B, width, H/2, W/2)
        for block in self.up_top:
            h = block(torch.cat([h, skips.pop()], dim=1), embedding)
        return self.unfold(h)  # (B, channels, H, W)

    def check(self, labels: Tensor | None = None) -> None:
        """Raise unless the labels are such as it can take. Looks at values: for doors, not for ``forward``."""
        if labels is None:
            return
        if self.num_classes is None:
            raise ValueError("labels: expected none; this U-Net was made without num_classes")
        check_labels(labels, len(labels))
        if len(labels) and not (labels.min() >= -1 and labels.max() < self.num_classes):
            raise ValueError(f"labels: expected -1..{self.num_classes - 1}, got {labels.min()}..{labels.max()}")


def group_norm(channels: int) -> nn.GroupNorm:
    """Group norm (Wu & He 2018) with eight groups: no statistics over the batch, so a sample never sees another."""
    return nn.GroupNorm(8, channels)


def zero(layer: nn.Module) -> nn.Module:
    """The layer with all its parameters set to zero: a branch that begins by adding nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
