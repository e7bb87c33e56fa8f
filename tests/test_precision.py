"""Single and half precision: nothing is lost at either end of a schedule, where numbers are near 0 and near 1."""

import pytest
import torch

from diffusion_lab import (
    TARGETS,
    Denoiser,
    ExactDenoiser,
    NoiseSchedule,
    SigmaPath,
    StraightPath,
    add_noise,
    convert,
    ddim,
    ddpm,
    dpm_solver,
    eps_from_x0,
    posterior,
    training_target,
    walk,
)

COSINE, LINEAR = NoiseSchedule.cosine(1000), NoiseSchedule.linear(1000)
DTYPES = [torch.float32, torch.bfloat16, torch.float16]

every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype).removeprefix("torch."))
half = pytest.mark.parametrize("dtype", DTYPES[1:], ids=["bfloat16", "float16"])
both = pytest.mark.parametrize("schedule", [COSINE, LINEAR], ids=["cosine", "linear"])
ends = pytest.mark.parametrize("t", [1, 2, 500, 999, 1000])


def draw(seed, shape=(200, 2)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_rounded(numbers, exact):
    """To the precision of the dtype; in float16, which has few small numbers, to the next of those it has."""
    kind = torch.finfo(numbers.dtype)
    assert numbers.isfinite().all()
    off = (numbers.double() - exact).abs()
    assert (off <= (kind.eps * torch.as_tensor(exact).abs()).clamp(min=kind.smallest_normal * kind.eps)).all()


# ---- adding noise ----


@every_dtype
@both
@ends
def test_no_noise_and_no_signal_is_rounded_away(t, schedule, dtype):
    """With ``sqrt(1 - alpha_bar)`` worked out in half precision, the first steps would add nothing."""
    one, none = torch.ones(3, 2, dtype=dtype), torch.zeros(3, 2, dtype=dtype)
    kept = torch.cumprod(1 - schedule.beta, 0)[t]
    for time in (t, torch.full((3,), t)):
        noise, signal = add_noise(none, time, one, schedule), add_noise(one, time, none, schedule)
        assert (noise > 0).all()
        assert (signal > 0).all()
        assert_rounded(noise, (1 - kept).sqrt())
        assert_rounded(signal, kept.sqrt())


@every_dtype
def test_nor_on_the_other_paths(dtype):
    one, none = torch.ones(3, 2, dtype=dtype), torch.zeros(3, 2, dtype=dtype)
    for path, t in [(StraightPath(), 1e-4), (StraightPath(), 0.999), (SigmaPath(), 0.002), (SigmaPath(), 80.0)]:
        a, b = path.ab(t)
        for time in (t, torch.full((3,), t, dtype=torch.float64)):
            assert_rounded(add_noise(none, time, one, path), b)
            assert_rounded(add_noise(one, time, none, path), a)


# ---- from one target to another ----


class Says(torch.nn.Module):
    """A network that answers what it holds."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x_t, t):
        return self.answer


@both
@ends
def test_x_0_from_v_is_right_to_a_millionth_even_from_nothing_but_noise(t, schedule):
    """From eps it would be divided by ``sqrt(alpha_bar)``, which is 0.00005 at the end of the cosine schedule."""
    x_0, eps = draw(0), draw(1)
    v = training_target("v", x_0, t, eps, schedule)
    said = Denoiser(Says(v), schedule, "v").x_0(add_noise(x_0, t, eps, schedule), t)
    assert (said - x_0).abs().max() < 1e-6


@half
@both
@ends
def test_in_half_precision_it_is_right_to_what_x_t_and_v_can_say(t, schedule, dtype):
    """Rounding x_t and v is all that is lost: each is at most eps / 2 of its size."""
    x_0, eps = draw(0), draw(1)
    v, x_t = training_target("v", x_0, t, eps, schedule), add_noise(x_0, t, eps, schedule)
    said = Denoiser(Says(v.to(dtype)), schedule, "v").x_0(x_t.to(dtype), t)
    assert said.dtype == torch.float32
    a, b = schedule.ab(t)
    assert ((said - x_0).abs() <= torch.finfo(dtype).eps / 2 * (a * x_t.abs() + b * v.abs()) + 1e-6).all()


@every_dtype
@both
@pytest.mark.parametrize("t", [1, 500, 1000])
def test_all_that_targets_say_of_each_other_is_finite(t, schedule, dtype):
    x_0, eps = draw(0).to(dtype), draw(1).to(dtype)
    for time in (t, torch.full((200,), t)):
        x_t = add_noise(x_0, time, eps, schedule)
        for source in TARGETS:
            out = training_target(source, x_0, time, eps, schedule)
            assert out.dtype == dtype
            assert out.isfinite().all()
            for target in TARGETS:
                said = convert(x_t, time, out, schedule, source, target)
                assert said.dtype == dtype
                assert said.isfinite().all()


@every_dtype
@both
def test_the_noise_in_the_first_step_is_found_to_what_x_t_can_say(schedule, dtype):
    """x_t is rounded, and what that changes is divided by b. It is 0.0064 there, and not 0."""
    x_0, eps = draw(0).to(dtype), draw(1).to(dtype)
    said = eps_from_x0(add_noise(x_0, 1, eps, schedule), 1, x_0, schedule)
    _, b = schedule.ab(1)
    assert said.isfinite().all()
    rounding = 3 * torch.finfo(dtype).eps * (x_0.double().abs() / b + 1)
    assert ((said - eps).abs() <= rounding).all()


@every_dtype
@both
@ends
def test_a_number_for_the_batch_gives_what_as_many_times_give(t, schedule, dtype):
    x, y, each = draw(0).to(dtype), draw(1).to(dtype), torch.full((200,), t)
    pairs = [
        [add_noise(x, time, y, schedule), *posterior(x, y, time, schedule, 0)]
        + [training_target(target, x, time, y, schedule) for target in TARGETS]
        + [
            convert(x, time, y, schedule, source, target)
            for source in ("v", "edm", "flow")
            for target in ("x_0", "eps")
        ]
        for time in (t, each)
    ]
    for one, other in zip(*pairs, strict=True):
        assert (one.double() - other.double()).abs().max() <= 2 * torch.finfo(dtype).eps * one.double().abs().max()


# ---- the posterior ----


@every_dtype
@both
@pytest.mark.parametrize("t", [2, 3, 500, 1000])
def test_the_posterior_keeps_its_variance_and_both_its_shares(t, schedule, dtype):
    one, none = torch.ones(3, 2, dtype=dtype), torch.zeros(3, 2, dtype=dtype)
    alpha_bar, beta = torch.cumprod(1 - schedule.beta, 0), schedule.beta[t]
    left = 1 - alpha_bar[t]
    of_x_0, of_x_t = alpha_bar[t - 1].sqrt() * beta / left, (1 - beta).sqrt() * (1 - alpha_bar[t - 1]) / left
    for time in (t, torch.full((3,), t)):
        share, variance = posterior(one, none, time, schedule)
        assert (variance > 0).all()
        assert variance.shape == (3, 1)
        assert_rounded(variance, beta * (1 - alpha_bar[t - 1]) / left)
        assert_rounded(share, of_x_0)
        assert_rounded(posterior(none, one, time, schedule)[0], of_x_t)


@every_dtype
@both
def test_the_first_step_back_ends_at_x_0(schedule, dtype):
    x_0, x_t = draw(0).to(dtype), draw(1).to(dtype)
    mean, variance = posterior(x_0, x_t, 1, schedule)
    assert (variance == 0).all()
    assert_rounded(mean, x_0.double())


# ---- a whole walk ----

MEANS, STDS, WEIGHTS = [[-2.0, 1.0], [0.5, 0.0], [1.5, -1.0]], [0.3, 0.1, 0.5], [0.5, 0.2, 0.3]
STEPS = {"ddpm": ddpm(), "ddim": ddim(), "dpm_solver": dpm_solver(), "dpm_solver with noise": dpm_solver(1)}


class Exact(torch.nn.Module):
    """What the best network would say, rounded to the precision of what it is given."""

    def __init__(self, path, target):
        super().__init__()
        self.truth, self.path, self.target = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path), path, target

    def forward(self, x_t, t):
        x = x_t.double()
        return convert(x, t, self.truth.x_0(x, t), self.path, "x_0", self.target).to(x_t.dtype)


def off(denoiser, path, step, dtype):
    """How far the results of half precision are from those of float32 from the same start, in units of its eps."""
    start, ends = (path.ab(path.T)[1] * draw(5)).to(dtype), []
    for x in (start, start.float()):
        *_, end = states = list(walk(denoiser, x, path, step, steps=25, generator=torch.Generator().manual_seed(6)))
        assert all(state.dtype == x.dtype and state.isfinite().all() for state in states)
        ends.append(end.float())
    assert ends[0].abs().max() < 4  # the data reach to about 3
    return (ends[0] - ends[1]).abs() / torch.finfo(dtype).eps


@half
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(
    ("path", "target"),
    [(COSINE, "v"), (LINEAR, "v"), (LINEAR, "eps"), (StraightPath(), "flow"), (SigmaPath(), "edm")],
    ids=["cosine", "linear", "linear eps", "straight", "sigma"],
)
def test_a_walk_in_half_precision_ends_where_that_in_float32_does(path, target, step, dtype):
    """Less than one eps away on average: 0.3 to 0.8 of it, and of 19 in 20 numbers less than 2.5. The result, of size 1
    or 2, is rounded, which alone is about a quarter of eps, and so is each state that the network is shown and each of
    its answers; the steps are in float32. Far off are only samples that begin between two bells, and go to the other.
    """
    errors = off(Denoiser(Exact(path, target), path, target), path, step, dtype)
    assert errors.quantile(0.95) < 3
    assert errors.clamp(max=10).mean() < 1


@half
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@both
def test_so_does_that_of_a_bare_function_where_eps_says_enough_of_x_0(schedule, step, dtype):
    """What is rounded away of eps becomes ``b / a`` times as much of x_0: in the beginning 157 times on the linear
    schedule, which the steps that follow repair, but 20,000 times on the cosine one: there, no more than a result."""
    errors = off(lambda x_t, t: Exact(schedule, "eps")(x_t, t), schedule, step, dtype)
    if schedule is LINEAR:
        assert errors.quantile(0.95) < 3
        assert errors.clamp(max=10).mean() < 1
