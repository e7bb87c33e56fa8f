"""Exercises of chapter 2, adding noise."""

import torch

from .. import noising
from ..schedule import NoiseSchedule
from .asking import Slip, describe, equal, exercise, randn, refuses


@exercise(instead_of=["diffusion_lab.noising.add_noise"])
def add_noise(answer, point, g):
    """add_noise(x_0, t, eps, schedule): the jump from clean samples to noisy ones, each at a time of its own.

    ``x_0`` and ``eps`` are float tensors of one shape ``(B, ...)``: pictures ``(B, C, H, W)``, points ``(B, D)`` or
    others. ``t`` holds ``(B,)`` whole numbers in ``0..T``, and of the ``NoiseSchedule`` only ``alpha_bar`` is needed.
    Returns ``x_t``, of the shape and the dtype of ``x_0``. Raises ``ValueError`` if the shapes of ``x_0`` and ``eps``
    differ, if there is not one time for each sample, or if a time lies outside ``0..T``.
    """
    schedule, B = NoiseSchedule.cosine(20), 5
    t = torch.randperm(18, generator=g)[:B] + 2
    # As many pictures as they have rows and columns: here a wrong axis raises no error.
    x_0, eps = randn(g, 2, B, 1, B, B)
    left = schedule.alpha_bar.float()

    def mixed(of_x_0, of_eps, shape=(-1, 1, 1, 1)):
        return of_x_0.view(shape) * x_0 + of_eps.view(shape) * eps

    here, before, single = left[t], left[t - 1], schedule.alpha[t].float()
    with point("one time for each picture"):
        slips = {
            "alpha_bar runs along the columns of a picture, not over the pictures: it needs the shape (B, 1, 1, 1)": (
                mixed(here.sqrt(), (1 - here).sqrt(), (-1,))
            ),
            "alpha_bar runs along the rows of a picture, not over the pictures: it needs the shape (B, 1, 1, 1)": (
                mixed(here.sqrt(), (1 - here).sqrt(), (-1, 1))
            ),
            "all pictures get the time of the first": mixed(here[:1].sqrt().expand(B), (1 - here[:1]).sqrt().expand(B)),
            "all pictures get the time of the last": mixed(
                here[-1:].sqrt().expand(B), (1 - here[-1:]).sqrt().expand(B)
            ),
            "both roots are missing: equation (2.2)": mixed(here, 1 - here),
            "the root is missing in front of x_0: equation (2.2)": mixed(here, (1 - here).sqrt()),
            "the root is missing in front of eps: equation (2.2)": mixed(here.sqrt(), 1 - here),
            "eps is multiplied by 1 minus a root, where equation (2.2) has the root of 1 - alpha_bar": mixed(
                here.sqrt(), 1 - here.sqrt()
            ),
            "alpha_t, no bar: this is the single step t, equation (2.1), and not all steps up to t": mixed(
                single.sqrt(), (1 - single).sqrt()
            ),
            "the index is off by one: the table begins with alpha_bar[0] = 1, so alpha_bar[t] belongs to t": mixed(
                before.sqrt(), (1 - before).sqrt()
            ),
            "x_0 and eps have each other's shares: at t = 0 there is no noise": mixed((1 - here).sqrt(), here.sqrt()),
            "the noise is left out": mixed(here.sqrt(), 0 * here),
        }
        equal("x_t", answer(x_0, t, eps, schedule), noising.add_noise(x_0, t, eps, schedule), slips)
    with point("samples of other shapes, from t = 0 to T"):
        for shape in ((3, 2), (3,), (3, 2, 4)):
            x_0, eps = randn(g, 2, *shape)
            t = torch.tensor([0, 20, 7])
            wide = left[t].view(-1, 1, 1, 1)
            slips = {
                "alpha_bar gets four axes, also where x_0 has another number of them: count those of x_0": (
                    wide.sqrt() * x_0 + (1 - wide).sqrt() * eps
                )
            }
            equal("x_t", answer(x_0, t, eps, schedule), noising.add_noise(x_0, t, eps, schedule), slips)
    with point("the dtype of x_0"):
        x_0, eps, t = *randn(g, 2, 3, 2), torch.tensor([1, 5, 9])
        for dtype in (torch.float32, torch.float64):
            found = answer(x_0.to(dtype), t, eps.to(dtype), schedule)
            slips = {
                "x_t is float64 where x_0 is float32, since the table is float64: a network's weights are float32": (
                    str(torch.float64)
                ),
                "x_t is float32 where x_0 is float64": str(torch.float32),
            }
            equal("the dtype", str(getattr(found, "dtype", describe(found))), str(dtype), slips)
    with point("ValueError where the arguments do not fit"):
        x_0, eps, t = *randn(g, 2, 3, 2), torch.tensor([1, 5, 9])
        refuses(answer, x_0, t, eps[:1], schedule, because="one noise for three samples, which broadcasting hides")
        refuses(answer, x_0, t[:1], eps, schedule, because="one time for three samples, which broadcasting hides")
        refuses(answer, x_0, t - 2, eps, schedule, because="a time of -1, which would count from the table's end")
        refuses(answer, x_0, t + 12, eps, schedule, because="a time of T + 1")


@exercise()
def constant_beta(answer, point, g):
    """constant_beta(T, signal_left): the one beta that, in all of T steps, leaves a given share of the signal.

    ``T`` is a whole number of at least 1, ``signal_left`` the share of the variance that is to be left after T steps,
    ``alpha_bar_T``. Returns beta, a float. Raises ``ValueError`` unless ``0 < signal_left < 1``.
    """
    drawn = 50 + torch.randint(400, (), generator=g).item(), 0.01 + 0.5 * torch.rand((), generator=g).item()
    for T, left in ((100, 0.001), (1000, 1e-6), drawn):
        with point("the share that is left"):
            found = answer(T, left)
            wanted = 1 - torch.tensor(left, dtype=torch.float64).log().div(T).exp().item()
            slips = {
                "this is alpha, the share that one step keeps; beta is what it takes": left ** (1 / T),
                "this is what the sum of the betas suggests, and by equation (2.3) it is a little too large": (
                    -torch.tensor(left).log().item() / T
                ),
                "what is lost is dealt out evenly, but shares are multiplied: alpha_bar_T = (1 - beta)^T": (1 - left)
                / T,
                "the share is taken to the power T where the T-th root belongs": 1 - left**T,
                "this leaves a share of the picture's strength; signal_left is of the variance, its square": 1
                - left ** (2 / T),
                "signal_left is a share of the variance already, and needs no root": 1 - left ** (0.5 / T),
            }
            equal("beta", found, wanted, slips, atol=1e-6)
    with point("a single step"):
        equal("beta", answer(1, 0.5), 0.5, {"one step less is counted than there are": 1.0}, atol=1e-6)
    with point("ValueError unless 0 < signal_left < 1"):
        refuses(answer, 100, 0.0, because="a share of 0, which no beta below 1 reaches")
        refuses(answer, 100, 1.0, because="a share of 1, where no noise comes in")
        refuses(answer, 100, -0.1, because="a share below 0")


@exercise(instead_of=["diffusion_lab.schedule.NoiseSchedule.rescale"])
def rescale(answer, point, g):
    """rescale(schedule, signal_left): a schedule that ends too early, mended without a change at its beginning.

    Takes a ``NoiseSchedule`` and a number. Returns a ``NoiseSchedule`` with the same T whose root of alpha_bar is
    ``a`` times the old one plus ``b`` for ``t >= 1``, with a and b such that ``alpha_bar_1`` is unchanged and
    ``alpha_bar_T`` is ``signal_left``. Raises ``ValueError`` unless ``0 < signal_left < alpha_bar_1``.
    """
    T = 40 + torch.randint(60, (), generator=g).item()
    left = 0.001 + 0.01 * torch.rand((), generator=g).item()
    old = NoiseSchedule.linear(T, 1e-3, 0.02)
    signal, root = old.alpha_bar[1:], old.alpha_bar[1:].sqrt()
    wanted = old.rescale(left).alpha_bar

    def line(values, last, first=None):
        """Straight from the first of the values, which stays, to another last one."""
        first = values[0] if first is None else first
        return first + (values - first) * (first - last) / (first - values[-1])

    def table(values):
        return torch.cat([torch.ones(1).double(), values])

    with point("a schedule with as many steps"):
        found = answer(old, left)
        if not isinstance(found, NoiseSchedule):
            raise Slip(f"expected a NoiseSchedule, got {describe(found)}; `from_betas` makes one of betas")
        slips = {
            "a step is lost: betas are ratios of neighbours, and alpha_bar_0 = 1 is the neighbour of the first": T - 1,
            "a step too many: `from_betas` puts the leading 0 in front by itself": T + 1,
        }
        equal("T", found.T, T, slips)
    with point("alpha_bar"):
        slips = {
            "alpha_bar itself is shifted and stretched; it has to be its root": table(line(signal, left)),
            "the root ends at signal_left, so that alpha_bar ends at its square": table(line(root, left) ** 2),
            "the line begins at alpha_bar_0 = 1, and so alpha_bar_1 is changed": table(line(root, left**0.5, 1.0) ** 2),
            "it is stretched and not shifted, so the beginning is changed": table((root * (left**0.5 / root[-1])) ** 2),
            "it is shifted and not stretched, so the beginning is changed": table((root + left**0.5 - root[-1]) ** 2),
            "only the last step is changed, and all the rest of the signal goes in that one": table(
                torch.cat([signal[:-1], torch.tensor([left]).double()])
            ),
            "nothing is changed": old.alpha_bar,
        }
        found = answer(old, left)
        equal("alpha_bar", getattr(found, "alpha_bar", found), wanted, slips)
    with point("ValueError unless 0 < signal_left < alpha_bar_1"):
        refuses(answer, old, 0.0, because="signal_left = 0, after which eps tells nothing of x_0")
        refuses(
            answer, old, signal[0].item(), because="signal_left = alpha_bar_1, where no step is left to take noise in"
        )
        refuses(answer, old, 1.5, because="signal_left above 1")
