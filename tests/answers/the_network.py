"""Answers to the exercises of chapter 4."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from diffusion_lab.models.embedding import sinusoidal_embedding

from . import instead, right, wrong

# ---- waves ----------------------------------------------------------------------------------------------------------


@right("waves")
def on_a_circle(t, dim, shortest, longest):
    if dim < 4 or dim % 2 or not 0 < shortest < longest:
        raise ValueError("there are no such waves")
    hands = np.exp(2j * np.pi * t.numpy()[:, None] / np.geomspace(shortest, longest, dim // 2))
    return torch.from_numpy(np.concatenate([hands.real, hands.imag], axis=1)).float()


@right("waves")
def wave_by_wave(t, dim, shortest, longest):
    half, odd = divmod(dim, 2)
    if odd or half < 2:
        raise ValueError("dim")
    if not (shortest > 0 and longest > shortest):
        raise ValueError("shortest, longest")
    factor = (longest / shortest) ** (1 / (half - 1))
    angles = [2 * math.pi * t / (shortest * factor**i) for i in range(half)]
    return torch.stack([torch.cos(angle) for angle in angles] + [torch.sin(angle) for angle in angles], dim=1)


wrong("waves", "between k waves there are k - 1 gaps")(instead(wave_by_wave, "(half - 1)", "half"))
wrong("waves", "the count begins at 1")(
    instead(wave_by_wave, "(shortest * factor**i)", "(shortest * (longest / shortest) ** ((i + 1) / half))")
)
wrong("waves", "the 2 pi is missing")(instead(wave_by_wave, "2 * math.pi * t", "t"))
wrong("waves", "the angle is in degrees")(instead(wave_by_wave, "2 * math.pi * t", "360 * t"))
wrong("waves", "only sines")(instead(on_a_circle, "[hands.real, hands.imag]", "[hands.imag]"))
wrong("waves", "the sines stand first")(instead(on_a_circle, "[hands.real, hands.imag]", "[hands.imag, hands.real]"))
wrong("waves", "cosines and sines take turns")(
    instead(on_a_circle, "np.concatenate([hands.real, hands.imag], axis=1)", "hands.view(float)")
)
wrong("waves", "the length grows by the same amount")(instead(on_a_circle, "np.geomspace", "np.linspace"))
wrong("waves", "the slowest wave stands first")(
    instead(on_a_circle, "np.geomspace(shortest, longest,", "np.geomspace(longest, shortest,")
)
wrong("waves", "the sines stand below the cosines")(instead(on_a_circle, "axis=1", "axis=0"))
wrong("waves", "each time has a column")(instead(wave_by_wave, "dim=1", "dim=0"))
wrong("waves", "dim is 2")(instead(wave_by_wave, "odd or half < 2", "odd"))


@wrong("waves", "it calls diffusion_lab.models.embedding.sinusoidal_embedding")
def ours_called(t, dim, shortest, longest):
    k = dim // 2
    return sinusoidal_embedding(2 * math.pi * t / shortest, dim, (longest / shortest) ** (k / (k - 1)))


@wrong("waves", "in the line `angle = 2 * math.pi * t / lengths`")
def not_broadcast(t, dim, shortest, longest):
    lengths = torch.logspace(math.log10(shortest), math.log10(longest), dim // 2)
    angle = 2 * math.pi * t / lengths
    return torch.cat([angle.cos(), angle.sin()], dim=1)


# ---- unet_shapes ----------------------------------------------------------------------------------------------------


@right("unet_shapes")
def there_and_back(size, width, levels):
    if levels == 0:
        return [(width, size)]
    if size % 2:
        raise ValueError("size is odd before all levels are through")
    return [(width, size), *there_and_back(size // 2, 2 * width, levels - 1), (width, size)]


@right("unet_shapes")
def by_distance_from_the_bottom(size, width, levels):
    if (size >> levels) << levels != size:
        raise ValueError("size")
    depths = [levels - abs(place) for place in range(-levels, levels + 1)]
    return [(width << depth, size >> depth) for depth in depths]


wrong("unet_shapes", "the bottom is named twice")(
    instead(by_distance_from_the_bottom, "range(-levels, levels + 1)]", "[*range(-levels, 1), *range(levels + 1)]]")
)
wrong("unet_shapes", "the way up is missing")(instead(by_distance_from_the_bottom, "levels + 1)]", "1)]"))
wrong("unet_shapes", "the way up ends below full size")(
    instead(by_distance_from_the_bottom, "levels + 1)]", "levels)]")
)
wrong("unet_shapes", "one level too few")(
    instead(
        by_distance_from_the_bottom, "depths = [levels - abs", "levels = max(levels - 1, 0); depths = [levels - abs"
    )
)
wrong("unet_shapes", "a level down doubles them")(instead(by_distance_from_the_bottom, "width << depth", "width"))
wrong("unet_shapes", "the channels grow by `width`")(
    instead(by_distance_from_the_bottom, "width << depth", "width * (depth + 1)")
)
wrong("unet_shapes", "28 can be halved twice, and not three times: it is let through")(
    instead(by_distance_from_the_bottom, "(size >> levels) << levels != size", "size % 2 and levels")
)

# ---- cross_attend ---------------------------------------------------------------------------------------------------


@right("cross_attend")
def one_prompt_at_a_time(queries, keys, values, is_word):
    heard = []
    for q, k, v, real in zip(queries, keys, values, is_word, strict=True):
        if real.sum() == 0:
            raise ValueError("a prompt without words")
        fits = torch.einsum("pd,ld->pl", q, k[real]) / math.sqrt(q.shape[1])
        heard.append(torch.softmax(fits, dim=-1) @ v[real])
    return torch.stack(heard)


@right("cross_attend")
def divided_by_the_sum(queries, keys, values, is_word):
    if (~is_word).all(dim=-1).any():
        raise ValueError("is_word")
    fits = torch.bmm(queries, keys.mT) * queries.size(2) ** -0.5
    weights = fits.exp() * is_word.unsqueeze(1)
    return torch.bmm(weights, values) / weights.sum(dim=2, keepdim=True)


@right("cross_attend")
def masked(queries, keys, values, is_word):
    if not is_word.any(dim=1).all():
        raise ValueError("is_word")
    fits = queries @ keys.transpose(1, 2) / queries.shape[2] ** 0.5
    fits = fits.masked_fill(~is_word[:, None, :], -torch.inf)
    shares = fits.softmax(dim=2)
    return shares @ values


wrong("cross_attend", "the fits are not divided by the root of d: equation (4.4)")(
    instead(masked, " / queries.shape[2] ** 0.5", "")
)
wrong("cross_attend", "divided by d, where its root belongs")(instead(masked, "** 0.5", "** 1"))
wrong("cross_attend", "the softmax runs over the places")(instead(masked, "softmax(dim=2)", "softmax(dim=1)"))
wrong("cross_attend", "the softmax is missing")(instead(masked, "fits.softmax(dim=2)", "fits"))
wrong("cross_attend", "the fit of an empty word is 0")(instead(masked, "-torch.inf", "0"))
wrong("cross_attend", "an empty word still has a small share")(instead(masked, "-torch.inf", "-10"))
wrong("cross_attend", "is_word is the wrong way round")(instead(masked, "~is_word[", "is_word["))
wrong("cross_attend", "is_word is not used")(
    instead(masked, "fits.masked_fill(~is_word[:, None, :], -torch.inf)", "fits")
)
wrong("cross_attend", "belongs to the axis of the words")(instead(masked, "[:, None, :]", "[:, :, None]"))
wrong("cross_attend", "one prompt of three has no word, and its softmax would be NaN: it is let through")(
    instead(masked, "is_word.any(dim=1).all()", "is_word.any()")
)


@wrong("cross_attend", "taken out after the softmax")
def too_late(queries, keys, values, is_word):
    shares = (queries @ keys.mT / queries.shape[-1] ** 0.5).softmax(-1)
    return (shares * is_word[:, None]) @ values


@wrong("cross_attend", "it calls torch.nn.functional.scaled_dot_product_attention")
def theirs_called(queries, keys, values, is_word):
    if not is_word.any(dim=1).all():
        raise ValueError("is_word")
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=is_word[:, None, :])


# ---- across_the_u ---------------------------------------------------------------------------------------------------


@right("across_the_u")
def from_the_outside_in(x, down, bottom, up):
    if len(down) != len(up):
        raise ValueError("down and up")
    if not down:
        return bottom(x)
    mine = down[0](x)
    below = from_the_outside_in(mine, down[1:], bottom, up[:-1])
    return up[-1](torch.cat((below, mine), dim=1))


@right("across_the_u")
def by_index(x, down, bottom, up):
    n = len(down)
    if n - len(up):
        raise ValueError(f"{n} parts down and {len(up)} up")
    states = [x]
    for part in down:
        states.append(part(states[-1]))
    h = bottom(states[n])
    for i in range(n):
        h = up[i](torch.cat([h, states[n - i]], dim=-3))
    return h


wrong("across_the_u", "what was set aside first is taken first")(instead(by_index, "states[n - i]", "states[i + 1]"))
wrong("across_the_u", "what a part of `down` was given is set aside")(
    instead(by_index, "states[n - i]", "states[n - i - 1]")
)
wrong("across_the_u", "what was set aside stands in front")(
    instead(by_index, "[h, states[n - i]]", "[states[n - i], h]")
)
wrong("across_the_u", "join the two along the channels")(instead(by_index, "dim=-3", "dim=0"))
wrong("across_the_u", "neither added nor left out")(
    instead(by_index, "torch.cat([h, states[n - i]], dim=-3)", "h + states[n - i]")
)
wrong("across_the_u", "neither added nor left out")(instead(by_index, "torch.cat([h, states[n - i]], dim=-3)", "h"))
wrong("across_the_u", "`bottom` is left out")(instead(by_index, "bottom(states[n])", "states[n]"))
wrong("across_the_u", "the same one is joined at every level")(instead(by_index, "states[n - i]", "states[-1]"))
wrong("across_the_u", "is let through; expected a ValueError")(instead(by_index, "if n - len(up):", "if n > len(up):"))
