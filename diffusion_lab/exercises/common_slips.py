"""Exercises of the chapter on common slips: three pieces of code to mend."""

import torch
from torch import Tensor

from ..exact import ExactDenoiser
from ..noising import posterior
from ..sampling import sample
from ..schedule import NoiseSchedule
from ..steps import ddim
from ..targets import denoising_loss, x0_from_eps
from .asking import Slip, equal, exercise, numeric, randn, refuses, shown


@exercise(instead_of=["diffusion_lab.noising.posterior"])
def mended(answer, point, g):
    """mended(x_t, eps, t, schedule, z): one step of DDPM with the variance beta-tilde.

    ``x_t``, the predicted ``eps`` and the fresh noise ``z`` are ``(B, *S)``, ``t`` is a whole number, ``schedule`` a
    ``NoiseSchedule``. Returns ``x_{t-1}``, of the same shape. Raises ``ValueError`` if ``t`` is not in ``1..T``.
    """
    schedule = NoiseSchedule.cosine(40)
    # Each of the three is measured by itself, so that the others, if they are wrong too, do not hide it.
    x = (1 + torch.rand(3, 2, generator=g)) * randn(g, 3, 2).sign()  # far from 0, to divide by what a step makes of it
    none = torch.zeros_like(x)

    def step(x_t, eps, t, z):
        found = answer(x_t, eps, t, schedule, z)
        if not isinstance(found, Tensor) or found.shape != x_t.shape:
            raise Slip(f"x_{{t-1}}: expected a tensor of shape {tuple(x_t.shape)}, got {shown(found)}")
        return found

    for t in (12, 30):
        alpha, alpha_bar, beta = (table[t] for table in (schedule.alpha, schedule.alpha_bar, schedule.beta))
        beta_tilde, root = schedule.posterior_variance[t], (1 - alpha_bar).sqrt()
        with point("what becomes of x_t, if no noise is predicted"):
            slips = {
                "x_t is divided by alpha_t where its root belongs": x / alpha,
                "x_t is multiplied by the root of alpha_t; the way back divides": x * alpha.sqrt(),
                "x_t is never divided by the root of alpha_t": x,
                "x_t is divided by the root of alpha_bar_t, which leads to t = 0 and not to t - 1": (
                    x / alpha_bar.sqrt()
                ),
            }
            equal("x_{t-1}", step(x, none, t, none), x / alpha.sqrt(), slips)
        with point("how much of eps is taken out, in terms of x_t"):
            slips = {
                "alpha_t to the power t stands where alpha_bar_t belongs, the product of all alphas up to t": (
                    beta / (1 - alpha**t).sqrt()
                ),
                "alpha_t stands where alpha_bar_t belongs, the product of all alphas up to t": beta.sqrt(),
                "alpha_bar_{t-1} stands where alpha_bar_t belongs: our tables begin at t = 0, so the index is t": (
                    beta / (1 - schedule.alpha_bar[t - 1]).sqrt()
                ),
                "beta_t is divided by 1 - alpha_bar_t where its root belongs": beta / root**2,
                "all of the noise in x_t is taken out, and not the part of one step": root,
                "eps itself is taken out: it has variance 1, and is to be scaled": torch.tensor(1.0),
                "eps is added where it is to be taken out": -beta / root,
            }
            slips = {message: share.expand(x.shape) for message, share in slips.items()}
            found = -step(none, x, t, none) / step(x, none, t, none)
            equal("eps, in terms of x_t", found, (beta / root).expand(x.shape), slips, atol=1e-3)
        with point("the width of the fresh noise"):
            slips = {
                "z is multiplied by a variance where a width belongs, its root": beta_tilde * x,
                "this is the width with beta_t; asked for is beta-tilde_t, `schedule.posterior_variance`": (
                    beta.sqrt() * x
                ),
                "z is multiplied by beta_t, which is neither beta-tilde_t nor a width": beta * x,
                "z is added as it is: it has variance 1, and is to be scaled": x,
                "there is no fresh noise": none,
            }
            found = step(x, x, t, x) - step(x, x, t, none)
            equal("what z adds", found, beta_tilde.sqrt() * x, slips, atol=1e-3)
    with point("the whole step, on points and on pictures"):
        for shape in ((5, 2), (2, 1, 4, 4)):
            x_t, eps, z = randn(g, 3, *shape)
            for t in (40, 17, 2):
                mean, variance = posterior(x0_from_eps(x_t, t, eps, schedule), x_t, t, schedule)
                equal("x_{t-1}", step(x_t, eps, t, z), mean + variance.sqrt() * z, atol=1e-3)
    with point("the last step, which leaves nothing to chance"):
        x_0, z = randn(g, 2, 5, 2)
        a, b = schedule.ab(1)
        slips = {"the last step adds noise; beta-tilde_1 is 0": x_0 + b * z}  # b^2 is beta_1
        equal("x_0", step(a * x_0 + b * z, z, 1, z), x_0, slips, atol=1e-3)
    with point("ValueError unless t is in 1..T"):
        refuses(answer, x, x, 0, schedule, x, because="t = 0, from which no step leads back")
        refuses(answer, x, x, -1, schedule, x, because="t = -1, which reads the tables from their end")
        refuses(answer, x, x, 41, schedule, x, because="t = T + 1")


@exercise(instead_of=["diffusion_lab.targets.denoising_loss", "diffusion_lab.noising.add_noise"])
def mended_loss(answer, point, g):
    """mended_loss(network, x_0, t, eps, schedule): how far a network is off that predicts the noise.

    ``network(x_t, t)`` takes noisy samples and their times and returns what it takes for ``eps``. ``x_0`` and ``eps``
    are ``(B, *S)``, ``t`` holds ``(B,)`` whole numbers in ``1..T``, ``schedule`` is a ``NoiseSchedule``. Returns
    ``(B,)``: for each sample the mean, over its numbers, of the squares of what the network is off.
    """
    schedule, T = NoiseSchedule.cosine(20), 20
    alpha_bar = schedule.alpha_bar
    B = 4
    t = torch.randperm(12, generator=g)[:B] + 4
    x_0, eps, off = randn(g, 3, B, 1, B, B)  # as many as they have rows and columns: a wrong axis raises no error
    with point("which two are compared"):
        # Whatever the network is shown: it is right if it says eps, and one that returns what it is shown is not.
        for message, network in (
            ("x_t is what the network is compared with: one that hands its input back gets full marks", lambda x, t: x),
            ("x_0 is what the network is compared with; it is to predict eps", lambda x, t: x_0),
        ):
            if size(answer(network, x_0, t, eps, schedule)) < 1e-8:
                raise Slip(message)
        if not size(answer(lambda x, t: eps, x_0, t, eps, schedule)) < 1e-8:  # NaN, too
            raise Slip("a network that says eps, and nothing else, is right: its loss has to be 0")
    with point("one loss a sample, the mean over its numbers"):
        zeros, squares = torch.zeros_like(x_0), off.square()  # without data and noise, all is 0 but what it is off
        found = answer(lambda x, t: off, zeros, t, zeros, schedule)
        slips = {
            "this is one number, the sum over the whole batch; each sample has a loss, the mean over its numbers": (
                squares.sum()
            ),
            "this is one number, the mean over the whole batch; each sample has a loss of its own": squares.mean(),
            "this is the sum over a sample's numbers; the mean does not depend on how many there are": (
                squares.flatten(1).sum(1)
            ),
            "the samples are averaged, and not each sample's numbers: the first axis is that of the samples": (
                squares.mean(0)
            ),
            "the mean is over the last axis alone; a sample has more of them": squares.mean(-1),
            "the squares are missing: this is the mean of the absolute values": off.abs().flatten(1).mean(1),
            "the squares are missing: this is the mean of the differences": off.flatten(1).mean(1),
            "the root is taken; the loss is the mean of the squares": squares.flatten(1).mean(1).sqrt(),
        }
        wanted = denoising_loss(lambda x, t: off, zeros, t, zeros, schedule, target="eps")
        equal("the loss", found, wanted, slips)

    def shown_to_network(x_0, eps, t):
        """The mean square of x_t, for a batch of one. Where the network says a thousand times x_t, that is its loss."""
        loud = answer(lambda x, t: 1e3 * x, x_0, torch.tensor([t]), eps, schedule)
        by = answer(lambda x, t: torch.full_like(x, 1e3), 0 * x_0, torch.tensor([t]), 0 * x_0, schedule)
        return size(loud) / max(size(by), 1e-9)

    one, none = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    for name, x_one, eps_one, of in (
        ("the signal in x_t", one, none, alpha_bar),
        ("the noise in x_t", none, one, 1 - alpha_bar),
    ):
        letter, root = ("x_0", "alpha_bar_t") if x_one is one else ("eps", "1 - alpha_bar_t")
        missing = f"in front of {letter} the root is missing: variances add up, and so widths are roots of {root}"
        index = "the table is read at t - 1; ours begin at t = 0, so alpha_bar[t] belongs to t"
        for time in (8, 13):
            with point(name):
                here, before = of[time].item(), of[time - 1].item()
                slips = {
                    missing: here**2,
                    index: before,
                    f"{index}; and {missing}": before**2,
                    f"there is no {letter} in x_t": 0.0,
                }
                equal("its mean square", shown_to_network(x_one, eps_one, time), here, slips, atol=0.01)
    with point("the time that the network is told"):
        for time in (8, 1, T):
            says = answer(lambda x, t: 0 * x + 100 * t.view(-1, 1, 1, 1), none, torch.tensor([time]), none, schedule)
            by = answer(lambda x, t: torch.full_like(x, 100), none, torch.tensor([time]), none, schedule)
            slips = {
                "the network is told t - 1; it is asked at t": float(time - 1),
                "the network is told t / T; it is asked at t": time / T,
            }
            equal("the time", (size(says) / max(size(by), 1e-9)) ** 0.5, float(time), slips)
    with point("each sample at a time of its own"):

        def network(x, t):
            return x.tanh() + 0.01 * t.view(-1, *[1] * (x.ndim - 1))

        a, b = (root.float() for root in schedule.ab(t))
        slips = {}
        for along, view in (("columns", (-1,)), ("rows", (-1, 1))):
            noisy = a.view(view) * x_0 + b.view(view) * eps
            slips[
                f"alpha_bar runs along the {along} of a picture, not over the samples: it needs the shape (B, 1, 1, 1)"
            ] = (network(noisy, t) - eps).square().flatten(1).mean(1)
        wanted = denoising_loss(network, x_0, t, eps, schedule, target="eps")
        equal("the loss", answer(network, x_0, t, eps, schedule), wanted, slips)
    with point("points, too"):
        x_0, eps = randn(g, 2, 7, 2)
        t = torch.randint(1, T + 1, (7,), generator=g)
        wanted = denoising_loss(network, x_0, t, eps, schedule, target="eps")
        equal("the loss", answer(network, x_0, t, eps, schedule), wanted)


@exercise(instead_of=["diffusion_lab.sampling.sample", "diffusion_lab.sampling.walk"])
def mended_walk(answer, point, g):
    """mended_walk(denoiser, x_T, schedule, steps): the way back by DDIM, without fresh noise.

    ``denoiser(x_t, t)`` takes ``(B, *S)`` and a whole number and returns ``eps``. The walk begins with ``x_T`` at
    ``T``, makes ``steps`` steps along the times ``T - k T / steps``, rounded as ``schedule.times`` does it, and ends
    at 0. Returns ``x_0``. Raises ``ValueError`` if ``steps`` is not in ``1..T``.
    """
    T = 12
    schedule = NoiseSchedule.linear(T, 0.05, 0.4)
    a = [schedule.ab(t)[0] for t in range(T + 1)]
    x = randn(g, 5, 2)
    exact = ExactDenoiser.mixture([[-1.0, 0.0], [1.0, 1.0]], [0.1, 0.2], [1.0, 2.0], schedule)
    with point("where the walk begins and ends"):
        # Where no noise is seen, each step multiplies by a_s / a_t: only the first time and the last are left.
        slips = {
            "it begins at T - 1, and so the last step asks for index -1, the other end of the table": x * a[-1] / a[11],
            "it begins at T - 1; x_T belongs to T": x / a[11],
            "it begins at T - 1, and ends at t = 2": x * a[2] / a[11],
            "it stops before the last step, the one to t = 0": x * a[3] / a[12],
            "it begins at T - 1, and stops before its last step": x * a[3] / a[11],
            "it ends at t = 1; data are at t = 0": x * a[1] / a[12],
            "it walks from 0 to T, into the noise": x * a[12],
            "nothing has happened to x_T": x,
        }
        equal("x_0", answer(lambda x, t: 0 * x, x, schedule, 4), x / a[12], slips, atol=1e-3)
    with point("the times that the denoiser is told"):

        def strict(x, t):
            if not 1 <= t <= T:
                raise ValueError(
                    f"the denoiser was told t = {t}, where nothing is to be denoised: tell it the time of what it is "
                    "given, not the time to which the step goes"
                )
            return 0.1 * x * t

        wanted = sample(lambda x, t: strict(x, int(t[0])), x, schedule, ddim(), steps=4)
        slips = {
            message: sample(lambda x, t, told=told: strict(x, told(int(t[0]))), x, schedule, ddim(), steps=4)
            for message, told in {
                "the denoiser is told t - 1; it is given x_t, and so it is told t": lambda t: t - 1,
                "the denoiser is told the number of the step, and not the time": lambda t: 5 - t // 3,
                "the denoiser is always told T": lambda t: T,
            }.items()
        }
        equal("x_0", answer(strict, x, schedule, 4), wanted, slips, atol=1e-3)
    with point("as many steps as are asked for, also where they do not divide T"):

        def wave(x, t):
            return torch.sin(3 * x + t)

        def along(*times):
            return sample(lambda x, t: wave(x, int(t[0])), x, schedule, ddim(), times=times)

        slips = {
            "with T // steps the stride is 2, and 12 is walked in 6 steps, not in 5": along(12, 10, 8, 6, 4, 2, 0),
            "linspace(T, 0, steps) names `steps` times, and between them is one step less": along(12, 9, 6, 3, 0),
            "the times are cut off, not rounded: `schedule.times` has those that are asked for": along(
                12, 9, 7, 4, 2, 0
            ),
            "all T steps are taken, however many are asked for": along(*range(12, -1, -1)),
        }
        equal("x_0", answer(wave, x, schedule, 5), along(*schedule.times(5)), slips, atol=1e-3)
    with point("the whole walk, with an exact denoiser"):
        for steps in (12, 7, 1):
            wanted = sample(exact, x, schedule, ddim(), steps=steps)
            equal("x_0", answer(exact, x, schedule, steps), wanted, atol=1e-3)
    with point("ValueError unless steps is in 1..T"):
        refuses(answer, exact, x, schedule, 0, because="no step at all")
        refuses(answer, exact, x, schedule, 13, because="more steps than there are times")


def size(loss):
    """The largest of the losses that came back, be it one or many."""
    if not numeric(loss) or torch.as_tensor(loss).numel() == 0:
        raise Slip(f"expected losses, got {shown(loss)}")
    return torch.as_tensor(loss).double().abs().max().item()
