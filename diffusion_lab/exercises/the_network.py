"""Exercises of chapter 4, the network."""

import math

import torch
import torch.nn.functional as F

from ..models import UNet
from ..models.embedding import sinusoidal_embedding
from .asking import Slip, equal, exercise, randn, refuses


@exercise(instead_of=["diffusion_lab.models.embedding.sinusoidal_embedding"])
def waves(answer, point, g):
    """waves(t, dim, shortest, longest): times as vectors, made of waves of given lengths.

    ``t`` holds ``(B,)`` times, whole numbers or not; ``dim`` is even and at least 4. Each of the ``dim / 2`` waves
    repeats after a time of its own: the first after ``shortest``, the last after ``longest``, and from one wave to the
    next that time is multiplied by the same number. Returns ``(B, dim)``: all cosines, then all sines, each from the
    shortest wave to the longest. Raises ``ValueError`` if ``dim`` is odd or below 4, or unless
    ``0 < shortest < longest``.
    """
    k = 4

    def truth(t, shortest, longest, full_turn=2 * math.pi, gaps=k - 1):
        return sinusoidal_embedding(full_turn * t / shortest, 2 * k, (longest / shortest) ** (k / gaps))

    for name, t, shortest, longest in (
        ("times from 1 to 100", torch.randint(1, 101, (7,), generator=g), 5.0, 320.0),
        ("times between 0 and 1", torch.rand(7, generator=g), 0.02, 3.0),
    ):
        right = truth(t, shortest, longest)
        cosines, sines = right.chunk(2, dim=1)

        def of(angle):
            return torch.cat([angle.cos(), angle.sin()], dim=1)

        even = torch.linspace(shortest, longest, k)
        with point(name):
            slips = {
                "only sines: where a wave has the same sine twice, only its cosine tells the two times apart": sines,
                "the sines stand first; all cosines come before them": torch.cat([sines, cosines], dim=1),
                "cosines and sines take turns; all cosines come first": torch.stack([cosines, sines], dim=2).flatten(1),
                "the slowest wave stands first; begin with the shortest": torch.cat(
                    [cosines.flip(1), sines.flip(1)], dim=1
                ),
                "the sines stand below the cosines, as if they were other times: join them along axis 1": torch.cat(
                    [cosines, sines]
                ),
                "each time has a column; it needs a row, (B, dim)": right.mT,
                "a wave that repeats after 1 has the angle 2 pi t: the 2 pi is missing": truth(
                    t, shortest, longest, full_turn=1
                ),
                "the angle is in degrees; torch.cos and torch.sin take radians": truth(
                    t, shortest, longest, full_turn=360
                ),
                "the last wave is shorter than `longest`: between k waves there are k - 1 gaps, not k": truth(
                    t, shortest, longest, gaps=k
                ),
                "the first wave is longer than `shortest`: the count begins at 1, where nothing is multiplied yet": (
                    truth(t, shortest * (longest / shortest) ** (1 / k), longest * (longest / shortest) ** (1 / k),
                          gaps=k)
                ),
                "from wave to wave the length grows by the same amount; it is to be multiplied by the same number": (
                    of(2 * math.pi * t[:, None] / even)
                ),
            }  # fmt: skip
            equal("the waves", answer(t, 2 * k, shortest, longest), right, slips, atol=2e-3)
    with point("two waves, of which one is the shortest and one the longest"):
        t = 10 * torch.rand(3, generator=g)
        wanted = sinusoidal_embedding(2 * math.pi * t / 2.0, 4, 25.0)  # the second wave is five times as long
        equal("the waves", answer(t, 4, 2.0, 10.0), wanted, atol=2e-3)
    with point("ValueError where such waves do not exist"):
        refuses(answer, torch.ones(2), 7, 1.0, 10.0, because="dim is odd")
        refuses(
            answer, torch.ones(2), 2, 1.0, 10.0, because="dim is 2: one wave cannot be the shortest and the longest"
        )
        refuses(answer, torch.ones(2), 8, 10.0, 1.0, because="shortest is above longest")
        refuses(answer, torch.ones(2), 8, 0.0, 1.0, because="shortest is 0")


@exercise()
def unet_shapes(answer, point, g):
    """unet_shapes(size, width, levels): what stands where along a U-Net.

    ``size`` is the side of a square picture, ``width`` the number of channels at full size, and ``levels`` says how
    often the side is halved and the channels are doubled; all are whole numbers, ``levels`` at least 0. Returns the
    list of ``(channels, side)`` along the path, down and up, with both ends and the bottom named once:
    ``2 * levels + 1`` pairs. Raises ``ValueError`` if ``size`` cannot be halved that often.
    """

    def passed(size, width, levels):
        """What comes out where a picture is really sent that way."""
        x, found = torch.zeros(1, width, size, size), []
        for up in [False] * levels + [True] * levels:
            found.append((x.shape[1], x.shape[2]))
            x = F.interpolate(x, scale_factor=2)[:, : x.shape[1] // 2] if up else F.avg_pool2d(x, 2).repeat(1, 2, 1, 1)
        return [*found, (x.shape[1], x.shape[2])]

    drawn = torch.randint(1, 5, (2,), generator=g).tolist()
    for name, size, width, levels in (
        ("the U of the chapter, two levels", 28, 16, 2),
        ("three levels", 16 * drawn[0], 8 * drawn[1], 3),
    ):
        right = passed(size, width, levels)
        down, up = right[: levels + 1], right[levels + 1 :]
        with point(name):
            slips = {
                "the bottom is named twice: it is the end of the way down and the beginning of the way up": [
                    *down, down[-1], *up,
                ],
                "the way up is missing": down,
                "the way up ends below full size": right[:-1],
                "that is one level too few: `levels` counts how often the side is halved": passed(
                    size, width, levels - 1
                ),
                "the channels stay as they are; a level down doubles them": [(width, side) for _, side in right],
                "the channels grow by `width` from level to level; doubled, they are multiplied by 2 each time": [
                    (width * (min(i, 2 * levels - i) + 1), side) for i, (_, side) in enumerate(right)
                ],
                "the side is that of the input everywhere; a level down halves it": [
                    (channels, size) for channels, _ in right
                ],
                "the pairs are the other way round: the channels come first": [pair[::-1] for pair in right],
            }  # fmt: skip
            equal("the shapes", answer(size, width, levels), right, slips)
    with point("no level at all"):
        equal("the shapes", answer(64, 8, 0), [(8, 64)], {"the one place there is is named twice": 2 * [(8, 64)]})
    with point("ValueError where the size cannot be halved that often"):
        refuses(answer, 27, 8, 1, because="27 cannot be halved")
        refuses(answer, 28, 8, 3, because="28 can be halved twice, and not three times")


@exercise(instead_of=["torch.nn.functional.scaled_dot_product_attention"])
def cross_attend(answer, point, g):
    """cross_attend(queries, keys, values, is_word): attention to prompts of different length.

    Shapes are ``(B, P, d)``, ``(B, L, d)`` and ``(B, L, c)``, all floating point, and ``is_word`` holds ``(B, L)``
    bools. Returns ``(B, P, c)``: for each query the values of the words, mixed in the shares of equation (4.4), where
    what is no word has a share of exactly 0. Raises ``ValueError`` if a prompt has no word at all.
    """
    # As many places as words: here a wrong axis raises no error.
    B, P, L, d, c = 3, 4, 4, 8, 5
    q, k, v = randn(g, B, P, d), randn(g, B, L, d), randn(g, B, L, c)
    fits = q @ k.mT

    def mixed(fits):
        return fits.softmax(dim=2) @ v

    with point("all of them are words"):
        slips = {
            "the fits are not divided by the root of d: equation (4.4)": mixed(fits),
            "the fits are divided by d, where its root belongs: equation (4.4)": mixed(fits / d),
            "the softmax runs over the places: the shares of one query, over the words, must add up to 1": (
                fits / d**0.5
            ).softmax(dim=1)
            @ v,
            "these are no shares yet: the softmax is missing": fits / d**0.5 @ v,
            "this is the mean of the words; a word that fits better has a larger share": v.mean(1, True).expand(
                B, P, c
            ),
        }
        wanted = F.scaled_dot_product_attention(q, k, v)
        equal("what is heard", answer(q, k, v, torch.ones(B, L, dtype=torch.bool)), wanted, slips)
    is_word = torch.arange(L) < torch.tensor([[3], [2], [1]])
    hidden, fits = ~is_word[:, None], fits / d**0.5
    with point("empty words are not heard"):
        wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=is_word[:, None])
        late = fits.softmax(dim=2).masked_fill(hidden, 0)
        slips = {
            "the empty words are heard as well: is_word is not used": mixed(fits),
            "the empty words are taken out after the softmax: the shares that are left no longer add up to 1": late @ v,
            "the fit of an empty word is 0, and that still gets a share, since e^0 = 1": mixed(
                fits.masked_fill(hidden, 0)
            ),
            "is_word is the wrong way round: the empty words are heard and the words are not": mixed(
                fits.masked_fill(~hidden, -math.inf)
            ),
            "only the values of empty words are set to 0; their shares are still taken from those of the words": (
                fits.softmax(dim=2) @ (v * is_word[:, :, None])
            ),
        }
        found = answer(q, k, v, is_word)
        if isinstance(found, torch.Tensor) and found.shape == wanted.shape and found.isnan().any():
            raise Slip(
                "NaN, since to some query every word is hidden: is_word belongs to the axis of the words, (B, 1, L), "
                "and not to that of the places"
            )
        equal("what is heard", found, wanted, slips)
    with point("a share of exactly 0"):
        loud = torch.where(is_word[:, :, None], v, 1e8)
        found, wanted = answer(q, k, loud, is_word), F.scaled_dot_product_attention(q, k, loud, is_word[:, None])
        if isinstance(found, torch.Tensor) and found.shape == wanted.shape and (found - wanted).abs().max() > 0.01:
            raise Slip("an empty word still has a small share: only e^(-inf) is 0, whatever the other fits are")
        equal("what is heard", found, wanted)
    with point("more places than words"):
        q = randn(g, B, 7, d)
        wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=is_word[:, None])
        equal("what is heard", answer(q, k, v, is_word), wanted)
    with point("ValueError where a prompt has no word"):
        is_word[1] = False
        refuses(answer, q, k, v, is_word, because="one prompt of three has no word, and its softmax would be NaN")


@exercise()
def across_the_u(answer, point, g):
    """across_the_u(x, down, bottom, up): the way of a picture through a U-Net, whose parts are given.

    ``x`` is ``(B, C, H, W)``; ``down`` and ``up`` are lists of functions, as many in the one as in the other, and
    ``bottom`` is a function. Each part of ``down`` takes what the part before it gave, the first one ``x``; what it
    gives is set aside as well. ``bottom`` takes what the last of them gave. Each part of ``up`` takes one tensor: what
    the part before it gave and, joined to it behind its channels, what was set aside across the U. Returns what the
    last part gives. Raises ``ValueError`` if ``down`` and ``up`` are not of one length.
    """
    x = randn(g, 3, 2, 4, 4)
    shape = tuple(x.shape)

    def meet(h):
        if h.shape == shape:
            raise ValueError(
                "a part of `up` was given one picture: what was set aside is joined to it, neither added nor left out"
            )
        if h.shape != (3, 4, 4, 4):
            raise ValueError(
                f"a part of `up` was given the shape {tuple(h.shape)}: join the two along the channels, axis 1"
            )
        own, aside = h.chunk(2, dim=1)
        return 2 * own + aside

    with point("what meets what: three levels of one size, where no mistake raises an error"):
        one, two, three = x + 1, x + 3, x + 6  # set aside by the parts below
        down = [lambda h: h + 1, lambda h: h + 2, lambda h: h + 3]
        slips = {
            "what was set aside first is taken first; across the U from the last part down is the first part up": (
                -8 * three + 4 * one + 2 * two + three
            ),
            "what a part of `down` was given is set aside; it has to be what it gives": (
                -8 * three + 4 * two + 2 * one + x
            ),
            "what was set aside stands in front; its channels come behind those of what comes up": (
                2 * one + 2 * two + 2 * three - three
            ),
            "`bottom` is left out": 8 * three + 4 * three + 2 * two + one,
            "the same one is joined at every level; each part of `down` has set aside its own": (
                (-8 + 4 + 2 + 1) * three
            ),
            "what comes up from below is lost: the part is given twice what was set aside": 3 * one,
        }
        found = answer(x, down, lambda h: -h, [meet, meet, meet])
        equal("what comes out", found, -8 * three + 4 * three + 2 * two + one, slips)
    with point("no level at all"):
        equal("what comes out", answer(x, [], lambda h: -h, []), -x, {"`bottom` is left out": x})
    with point("the package's U-Net, taken to pieces"):
        unet, t = UNet(width=8, blocks=2), torch.tensor([3, 500])
        for weight in unet.parameters():
            torch.nn.init.normal_(weight, std=0.1, generator=g)
        with torch.no_grad():
            time = unet.time(t)
            parts = unet.down_top, unet.down_low, unet.up_low, unet.up_top
            (a, b), (c, d), (e, f), (p, q) = ([with_time(block, time) for block in level] for level in parts)
            down = [after(unet.fold, a), b, after(unet.shrink, c), d]
            up = [e, after(f, unet.grow), p, after(q, unet.unfold)]
            x = randn(g, 2, 1, 8, 8)
            equal("what comes out", answer(x, down, unet.attend, up), unet(x, t), atol=1e-3)
    with point("ValueError where down and up are not of one length"):
        lists = [lambda h: h + 1], [meet, meet]
        refuses(answer, randn(g, *shape), lists[0], lambda h: h, lists[1], because="one part down and two up")
        refuses(answer, randn(g, *shape), 2 * lists[0], lambda h: h, [meet], because="two parts down and one up")


def with_time(block, time):
    return lambda h: block(h, time)


def after(first, second):
    return lambda h: second(first(h))
