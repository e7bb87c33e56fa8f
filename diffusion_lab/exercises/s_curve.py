"""Exercises of chapter 3, the S-curve."""

import torch

from ..schedule import NoiseSchedule
from ..targets import denoising_loss
from .asking import Slip, describe, equal, exercise, on_average, randn, refuses


@exercise(instead_of=["diffusion_lab.targets.denoising_loss", "diffusion_lab.targets.training_target"])
def velocity_loss(answer, point, g):
    """velocity_loss(network, x_0, t, eps, schedule): the loss of a network that predicts v, for one batch.

    ``x_0`` and ``eps`` are float tensors of one shape ``(B, ...)``, ``t`` holds ``(B,)`` times in ``1..T``, and of the
    ``NoiseSchedule`` only ``alpha_bar`` is needed. ``network(x_t, t)`` takes the noised batch and its times, and
    returns a tensor of the shape of ``x_0``. Returns a tensor of shape ``()``: the mean, over the samples and all
    their numbers, of the squared difference between the network's answer and v.
    """
    schedule, B = NoiseSchedule.cosine(20), 6
    weights = randn(g, 2).tolist()

    def network(x_t, t):
        return weights[0] * x_t + weights[1] * torch.sin(t).to(x_t).view(-1, *[1] * (x_t.ndim - 1))

    # As many samples as each has numbers: here a wrong axis raises no error.
    x_0, eps = randn(g, 2, B, B)
    t = torch.randperm(17, generator=g)[:B] + 3
    left = schedule.alpha_bar.float()
    here, before = left[t], left[t - 1]

    def seen(left, power=0.5, shape=(-1, 1)):
        return (left**power).view(shape) * x_0 + ((1 - left) ** power).view(shape) * eps

    def v(left, power=0.5, shape=(-1, 1)):
        return (left**power).view(shape) * eps - ((1 - left) ** power).view(shape) * x_0

    def loss(target, x_t=None, times=t):
        return (network(seen(here) if x_t is None else x_t, times) - target).square().mean()

    off = network(seen(here), t) - v(here)
    wanted = denoising_loss(network, x_0, t, eps, schedule, target="v").mean()
    slips = {
        "the answer is compared with eps, as in the plain loop; v is equation (3.5)": loss(eps),
        "the answer is compared with x_0; v is equation (3.5)": loss(x_0),
        "the answer is compared with x_t; v is equation (3.5)": loss(seen(here)),
        "this is the sum of the squares; the loss is their mean": off.square().sum(),
        "the squares of a sample are added up; the mean is over its numbers, too": off.square().sum(1).mean(),
        "this is the mean of the absolute differences; square them": off.abs().mean(),
        "the mean is squared, and in it mistakes up and down cancel; square first": off.mean().square(),
        "this is the root of the mean square; the loss has no root": off.square().mean().sqrt(),
        "nothing is squared, so mistakes up and down cancel": off.mean(),
        "v has the wrong sign: equation (3.5)": loss(-v(here)),
        "there is a plus where v has a minus: equation (3.5)": loss(v(here) + 2 * (1 - here).sqrt()[:, None] * x_0),
        "x_0 and eps have each other's roots in v: equation (3.5)": loss(v(1 - here)),
        "the roots are missing in v: equation (3.5)": loss(v(here, power=1)),
        "the roots are missing in x_t: equation (3.1)": loss(v(here), seen(here, power=1)),
        "the roots are missing, in x_t and in v: equations (3.1) and (3.5)": loss(v(here, 1), seen(here, 1)),
        "the network is shown x_0; it has to see x_t": loss(v(here), x_0),
        "the network is shown eps; it has to see x_t": loss(v(here), eps),
        "alpha_bar runs along the numbers of a sample, not over the samples: give it the shape (B, 1)": loss(
            v(here, shape=(-1,)), seen(here, shape=(-1,))
        ),
        "in v, alpha_bar runs along the numbers of a sample, not over the samples: give it the shape (B, 1)": loss(
            v(here, shape=(-1,))
        ),
        "the whole batch gets the time of its first sample": loss(v(here[:1]), seen(here[:1]), t[:1].expand(B)),
        "the index is off by one: alpha_bar[t] belongs to t": loss(v(before), seen(before)),
        "the index is off by one in v: alpha_bar[t] belongs to t": loss(v(before)),
        "the network is told t / T; it is made for t": loss(v(here), times=t / schedule.T),
    }
    with point("the mean over a batch of points"):
        equal("the loss", answer(network, x_0, t, eps, schedule), wanted, slips, atol=1e-5)
    with point("pictures, too"):
        x_0, eps, t = *randn(g, 2, 3, 1, 4, 4), torch.tensor([2, 20, 11])
        wanted = denoising_loss(network, x_0, t, eps, schedule, target="v").mean()
        equal("the loss", answer(network, x_0, t, eps, schedule), wanted, atol=1e-5)
    with point("a tensor, which `backward` can begin from"):
        found = answer(network, x_0, t, eps, schedule)
        if isinstance(found, float):
            raise Slip("a float, as `.item()` makes it, has forgotten where it came from; return the tensor")
        if not isinstance(found, torch.Tensor) or found.ndim:
            raise Slip(f"expected a tensor of shape (), got {describe(found)}")


@exercise(instead_of=["diffusion_lab.metrics.energy_distance"])
def unbiased(answer, point, g):
    """unbiased(x, y): the energy distance of two clouds without its floor.

    ``x`` is ``(n, d)`` and ``y`` is ``(m, d)``, floating point. Returns a float: equation (3.3), where the averages
    within a cloud leave out the pairs of a point with itself. Raises ``ValueError`` if a cloud has fewer than two
    points.
    """
    with point("the clouds of the text, {0, 1} and {3, 5}"):
        equal("the distance", answer(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [5.0]])), 7.0 - 1 - 2)
    n, m = 9, 14
    x, y = randn(g, n, 2, dtype=torch.float64), 1 + 2 * randn(g, m, 2, dtype=torch.float64)
    between, in_x, in_y = torch.cdist(x, y).mean().item(), torch.pdist(x).mean().item(), torch.pdist(y).mean().item()
    with_itself = (n - 1) / n * in_x, (m - 1) / m * in_y
    wanted = 2 * between - in_x - in_y
    squares = torch.cdist(x, y).square().mean(), torch.pdist(x).square().mean(), torch.pdist(y).square().mean()
    with point("nine points and fourteen"):
        slips = {
            "each point is still counted with itself, at distance 0: divide by the number of the other pairs": (
                2 * between - sum(with_itself)
            ),
            "each point of y is still counted with itself": 2 * between - in_x - with_itself[1],
            "each point of x is still counted with itself": 2 * between - with_itself[0] - in_y,
            "the sum over all n^2 entries has every pair twice; there are n (n - 1) of them, not half as many": (
                2 * between - 2 * in_x - 2 * in_y
            ),
            "this sum has every pair once; then there are n (n - 1) / 2 of them, and not twice as many": (
                2 * between - in_x / 2 - in_y / 2
            ),
            "between the clouds nothing is to be left out: no point of x is one of y": (
                2 * between * m / (m - 1) - in_x - in_y
            ),
            "the 2 in front of the distance between the clouds is missing: equation (3.3)": between - in_x - in_y,
            "the averages within the clouds are added, not taken off: equation (3.3)": 2 * between + in_x + in_y,
            "the distances are squared; equation (3.3) takes them as they are": (
                (2 * squares[0] - squares[1] - squares[2]).item()
            ),
            "this is the root; equation (3.3) has none": max(wanted, 0) ** 0.5,
        }
        equal("the distance", answer(x, y), wanted, slips)
    with point("below 0, where it comes out so"):
        pair = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
        slips = {"what is below 0 is cut off, and so it is no longer right on average": 0.0}
        equal("the distance of a pair of points from itself", answer(pair, pair), -2.0, slips)
    with point("ValueError for fewer than two points"):
        refuses(answer, x[:1], y, because="a single point in x, which has no pair")
        refuses(answer, x, y[:1], because="a single point in y, which has no pair")


@exercise()
def antithetic(answer, point, g):
    """antithetic(n, path, generator=None): times for a batch, drawn in pairs of opposites.

    Returns ``n`` whole times in ``1..path.T``, a ``(n,)`` tensor of int64, drawn from ``generator``. The second half
    holds, in the same order, the opposites ``T + 1 - t`` of the first. Each time is equally likely. Raises
    ``ValueError`` if n is odd.
    """
    T, n = 4, 4000
    path = NoiseSchedule.linear(T)
    seed = torch.randint(2**31, (), generator=g).item()

    def times(count, seed=seed):
        found = answer(count, path, torch.Generator().manual_seed(seed))
        if not isinstance(found, torch.Tensor):
            raise Slip(f"expected a tensor of shape ({count},), got {describe(found)}")
        equal("its shape", tuple(found.shape), (count,), {"half of the times are missing": (count // 2,)})
        return found

    with point("whole numbers"):
        slips = {"the times are floats; they are indices of a table, so int64": str(torch.float32)}
        equal("their dtype", str(times(10).dtype), str(torch.int64), slips)
    with point("the second half holds the opposites of the first"):
        found, sums = times(40), torch.full((20,), T + 1)
        first, second = found[:20], found[20:]
        slips = {
            "a pair adds up to T, so the opposite of T would be 0; the opposite of t is T + 1 - t": torch.full(
                (20,), T
            ),
            "the second half is the first once more": 2 * first,
        }
        if not torch.equal(first + second, sums):
            if torch.equal(found[::2] + found[1::2], sums):
                raise Slip("opposites stand side by side; all of them belong in the second half")
            if torch.equal(first + second.flip(0), sums):
                raise Slip("the opposites stand in reversed order")
        equal("a time and its opposite, added", first + second, sums, slips)
    with point("all times, equally likely"):
        found = times(n)
        if found.min() < 1:
            raise Slip(f"{found.min().item()} is drawn; at t = 0 there is no noise, so times begin at 1")
        if found.max() > T:
            raise Slip(f"T + {found.max().item() - T} is drawn; times end at T")
        half = found[: n // 2]
        if half.min() == half.max():
            raise Slip("the first half is one time, again and again; draw one for each place")
        for t in (T, *range(1, T)):
            never = {f"t = {t} is not drawn: does `randint` exclude its upper end?": 0.0} if t == T else {}
            on_average(f"how often t = {t} is drawn in the first half", (half == t).double(), 1 / T, never)
    with point("drawn from the generator"):
        if not torch.equal(times(40), times(40)):
            raise Slip("the same seed gives other times: hand the generator to what draws")
        if torch.equal(times(40), times(40, seed + 1)):
            raise Slip("another seed gives the same times: draw them from the generator that is passed in")
        equal("the shape, without a generator", tuple(answer(6, path).shape), (6,))
    with point("ValueError for an odd number"):
        refuses(answer, 3, path, because="n = 3")
