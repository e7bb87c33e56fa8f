"""Paths: all keep the same promises, what is known on one is known on the others, and the samplers are those of
diffusers on each."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import refused
from diffusers import EDMDPMSolverMultistepScheduler, EDMEulerScheduler, FlowMatchEulerDiscreteScheduler

from diffusion_lab import (
    MLP,
    Denoiser,
    ExactDenoiser,
    NoiseSchedule,
    SigmaPath,
    StraightPath,
    add_noise,
    convert,
    ddim,
    denoising_loss,
    dpm_solver,
    posterior,
    sample,
    walk,
)

STRAIGHT, SIGMA = StraightPath(), SigmaPath()
COSINE, LINEAR = NoiseSchedule.cosine(1000), NoiseSchedule.linear(1000)
REAL = {
    "straight": STRAIGHT,
    "sigma": SIGMA,
    "evenly": SigmaPath(0.5, 4, rho=1),
    "rounded up": SigmaPath(0.01, 0.1),  # in float32, this sigma_max is larger,
    "rounded down": SigmaPath(0.01, 0.7),  # and this one smaller
}
PATHS = {"cosine": COSINE, "linear": LINEAR, "ten": NoiseSchedule.cosine(10)} | REAL
NAN, INF = float("nan"), float("inf")

every_path = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)


def some_times(path):
    """Times from 0 to T, rising, as the path wants them."""
    times = [path.T * k / 10 for k in range(11)]
    return [round(t) for t in times] if isinstance(path, NoiseSchedule) else times


def tensor(times):
    return torch.tensor(times, dtype=torch.float64 if isinstance(times[-1], float) else torch.int64)


def assert_same(ours, theirs, off=1e-5):
    assert (ours - theirs).abs().max() < off * max(1, theirs.abs().max())


# ---- two numbers for a time ----


@every_path
def test_clean_data_are_at_time_0(path):
    assert path.ab(0) == (1, 0)


def test_the_straight_path_ends_in_noise_and_edm_in_noise_on_top_of_the_data():
    assert STRAIGHT.ab(1) == (0, 1)
    assert SIGMA.ab(80) == (1, 80)
    for schedule in (COSINE, LINEAR):
        left = np.prod(1 - schedule.beta.numpy())
        assert schedule.ab(1000) == pytest.approx((left**0.5, (1 - left) ** 0.5), rel=1e-12)


@every_path
def test_on_the_way_the_signal_falls_and_the_noise_rises(path):
    signal, noise = zip(*map(path.ab, some_times(path)), strict=True)
    assert all(before < after for before, after in pairwise(noise))
    if isinstance(path, SigmaPath):
        assert set(signal) == {1.0}  # on EDM's path it stays
    else:
        assert all(before > after for before, after in pairwise(signal))


@pytest.mark.parametrize("t", [0, 0.1, 0.5, 0.75, 1])
def test_each_path_is_what_its_definition_says(t):
    assert STRAIGHT.ab(t) == (1 - t, t)
    assert SIGMA.ab(80 * t) == (1, 80 * t)
    a, b = COSINE.ab(int(1000 * t))
    assert a**2 == pytest.approx(np.prod(1 - COSINE.beta[: int(1000 * t) + 1].numpy()), rel=1e-12)
    assert a**2 + b**2 == pytest.approx(1, rel=1e-15)


@every_path
def test_many_times_at_once_give_what_each_of_them_gives(path):
    times = some_times(path)
    a, b = path.ab(tensor(times))
    assert [a.dtype, b.dtype, a.device.type, b.device.type] == [torch.float64] * 2 + ["cpu"] * 2
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == [path.ab(t) for t in times]
    numbers = path.ab(times[5])
    assert [type(number) for number in numbers] == [float, float]


# ---- times for a sampler ----


@every_path
@pytest.mark.parametrize("steps", [1, 2, 7, 10])
def test_times_fall_from_T_to_0(path, steps):
    times = path.times(steps)
    assert (len(times), times[0], times[-1]) == (steps + 1, path.T, 0)
    assert all(t > s for t, s in pairwise(times))
    for t in times:
        path.ab(t)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "ten", NAN])
@pytest.mark.parametrize("path", [COSINE, STRAIGHT, SIGMA], ids=["cosine", "straight", "sigma"])
def test_times_need_a_whole_number_of_steps(path, steps):
    with refused("steps"):
        path.times(steps)


@pytest.mark.parametrize("steps", [1, 2, 10, 18, 100])
@pytest.mark.parametrize("numbers", [(0.002, 80.0, 7.0), (0.01, 5.0, 3.0)])
def test_edm_times_are_the_karras_levels_of_diffusers(steps, numbers):
    low, high, rho = numbers
    for kind in (EDMEulerScheduler, EDMDPMSolverMultistepScheduler):
        theirs = kind(sigma_min=low, sigma_max=high, rho=rho)
        theirs.set_timesteps(steps)
        assert SigmaPath(low, high, rho).times(steps) == pytest.approx(theirs.sigmas.tolist(), rel=5e-6)


@pytest.mark.parametrize("steps", [1, 2, 10, 28])
def test_straight_times_are_those_that_the_pipelines_of_diffusers_ask_for(steps):
    theirs = FlowMatchEulerDiscreteScheduler()
    theirs.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps))
    assert STRAIGHT.times(steps) == pytest.approx(theirs.sigmas.tolist(), abs=1e-7)


# ---- times for training, and the time of a noise level ----


def ends_of_the_unit_interval():
    """From 0 to the largest number below 1, in float32 and in float64."""
    return [torch.tensor([0, 1e-3, 0.5, 1 - torch.finfo(d).eps / 2], dtype=d) for d in (torch.float32, torch.float64)]


@every_path
def test_spread_gives_times_of_the_path(path):
    for u in ends_of_the_unit_interval():
        t = path.spread(u)
        assert t.dtype == (torch.int64 if isinstance(path, NoiseSchedule) else torch.float32)
        _, b = path.ab(t)
        assert (b.diff() >= 0).all()
        assert b[1] > 0


def test_spread_is_even_in_t_and_on_edms_path_in_log_sigma():
    u = (torch.arange(3000, dtype=torch.float64) + 0.5) / 3000
    assert (COSINE.spread(u).bincount() == torch.tensor([0] + [3] * 1000)).all()
    torch.testing.assert_close(STRAIGHT.spread(u), u.float())
    logs = SIGMA.spread(u).double().log()
    torch.testing.assert_close(logs, math.log(0.002) + u * math.log(80 / 0.002), rtol=0, atol=1e-6)


@pytest.mark.parametrize("path", [STRAIGHT, SIGMA], ids=["straight", "sigma"])
def test_time_at_is_the_inverse_of_noise_for_each_unit_of_signal(path):
    t = path.T * torch.tensor([0, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1], dtype=torch.float64)
    a, b = path.ab(t)
    torch.testing.assert_close(path.time_at(b / a), t.float(), rtol=1e-7, atol=0)


@pytest.mark.parametrize("schedule", [COSINE, LINEAR], ids=["cosine", "linear"])
def test_time_at_is_the_first_whole_time_with_that_much_noise(schedule):
    t = torch.arange(1, 1001)
    a, b = schedule.ab(t)
    sigma = b / a
    assert torch.equal(schedule.time_at(sigma), t)
    between = (sigma[:-1] * sigma[1:]).sqrt()
    assert torch.equal(schedule.time_at(between), t[1:])
    assert schedule.time_at(torch.tensor([0.0, 1e30])).tolist() == [1, 1000]


@every_path
def test_time_at_is_a_time_of_the_path_however_much_noise(path):
    t = path.time_at(torch.tensor([0, 1e-9, 1, 1e9, INF], dtype=torch.float64))
    _, b = path.ab(t)
    assert b.max() <= path.ab(path.T)[1]
    assert t[-1] == torch.tensor(path.T, dtype=t.dtype)


@pytest.mark.parametrize("path", REAL.values(), ids=REAL)
def test_times_that_a_walk_tells_a_bare_function_are_times_of_the_path(path):
    exact = ExactDenoiser.mixture([[0.0]], [1.0], [1.0], path)
    t = path.T if isinstance(path, SigmaPath) else 0.9  # eps says nothing where there is no signal
    assert sample(lambda x_t, t: exact(x_t, t), (2, 1), path, times=[t, t / 2, 0]).isfinite().all()


# ---- what is no time ----


@every_path
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("t", [NAN, -1, -1e-9, 1e9, INF, -INF])
def test_what_is_outside_of_the_path_is_refused(path, t, many):
    with refused("now"):
        path.ab(torch.tensor([0.0, t] if isinstance(t, float) else [0, t]) if many else t, "now")


@every_path
@pytest.mark.parametrize(
    "t",
    [True, "1", None, 1j, [0], torch.tensor([True]), torch.tensor([1j]), torch.tensor(0), torch.zeros(2, 1)],
    ids=str,
)
def test_what_is_no_number_is_refused(path, t):
    with refused("t"):
        path.ab(t)


@pytest.mark.parametrize("t", [0.5, 1.0, torch.tensor([0.5]), torch.tensor([1.0])], ids=str)
def test_a_schedule_takes_whole_times_only(t):
    with refused("t"):
        COSINE.ab(t)


NEEDS_A_TIME = {
    "add_noise": lambda x, t, path: add_noise(x, t, x, path),
    "convert": lambda x, t, path: convert(x, t, x, path, "eps", "x_0"),
    "loss": lambda x, t, path: denoising_loss(lambda x_t, t: x_t, x, t, x, path, target="eps"),
    "denoiser": lambda x, t, path: Denoiser(MLP(2, 8, 1), path, "eps")(x, t),
    "posterior": lambda x, t, path: posterior(x, x, t, path, 0),
    "exact": lambda x, t, path: ExactDenoiser.mixture([[0.0, 0.0]], [1.0], [1.0], path)(x, t),
    "x_0": lambda x, t, path: ExactDenoiser.mixture([[0.0, 0.0]], [1.0], [1.0], path).x_0(x, t),
    "log_prob": lambda x, t, path: ExactDenoiser.mixture([[0.0, 0.0]], [1.0], [1.0], path).log_prob(x, t),
}


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("does", NEEDS_A_TIME)
def test_there_must_be_a_time_for_each_sample(does, length):
    for path, t in [(COSINE, 5), (STRAIGHT, 0.5), (SIGMA, 0.5)]:
        with pytest.raises(ValueError, match=r"^t: expected one for each of the 3 samples"):
            NEEDS_A_TIME[does](torch.ones(3, 2), torch.full((length,), t), path)


@pytest.mark.parametrize("times", [[1.0], [], [0.5, 0.5, 0.0], [0.1, 0.5], [NAN, 0.0], [1.0, NAN], [2.0, 0.0]], ids=str)
def test_a_walk_refuses_times_that_do_not_fall_or_are_none(times):
    with refused("times"):
        walk(lambda x_t, t: x_t, (2, 1), STRAIGHT, times=times)


# ---- equality ----


def test_paths_with_equal_numbers_are_equal():
    for make in (lambda: NoiseSchedule.cosine(50), StraightPath, lambda: SigmaPath(0.01, 20)):
        assert make() == make()
        assert hash(make()) == hash(make())
        assert len({make(), make()}) == 1
    assert SigmaPath(sigma_max=20) == SigmaPath(sigma_max=20.0)
    used, fresh = NoiseSchedule.cosine(50), NoiseSchedule.cosine(50)
    used.ab(3), used.snr, used.posterior_variance  # what is worked out when it is needed does not count
    assert (used, hash(used)) == (fresh, hash(fresh))


def test_paths_with_other_numbers_are_not():
    beta = NoiseSchedule.linear(50).beta
    nearly = beta.clone()
    nearly[25] *= 1 + 1e-12
    paths = [NoiseSchedule(beta), NoiseSchedule(nearly), NoiseSchedule(beta[:-1]), STRAIGHT, SIGMA, SigmaPath(rho=1)]
    assert all((one == other) == (one is other) for one in paths for other in paths)
    assert NoiseSchedule(beta) != beta.tolist()


# ---- the samplers of the field ----


def seeded():
    return torch.Generator().manual_seed(5)


def noise(path, g):
    return path.T * torch.randn(3, 2, 4, 4, generator=g, dtype=torch.float64)


def their_chain(theirs, ask, x_t, sigmas, **options):
    """Their states, on exactly these sigmas; ``ask(x_t, sigma)`` is what they expect their network to answer."""
    theirs.set_timesteps(len(sigmas) - 1)
    theirs.sigmas = torch.tensor(sigmas, dtype=torch.float64)
    yield x_t
    for i, sigma in zip(theirs.timesteps, sigmas, strict=False):
        if hasattr(theirs, "scale_model_input"):
            theirs.scale_model_input(x_t, i)  # what our function is not given; they insist on the call
        x_t = theirs.step(ask(x_t, sigma), i, x_t, **options).prev_sample
        yield x_t


def assert_same_states(ours, theirs):
    for x, y in zip(ours, theirs, strict=True):
        assert_same(x, y)


def at(denoiser, x, t):
    return denoiser(x, torch.full((len(x),), t))


def as_edm(denoiser, kind):
    """What a network must answer for diffusers to work out x_0 = x - sigma eps from it, with data of variance 1."""
    sign = {"epsilon": 1, "v_prediction": -1}[kind]

    def ask(x, sigma):
        c_skip, c_out = 1 / (sigma**2 + 1), sign * sigma / (sigma**2 + 1) ** 0.5
        return (x - sigma * at(denoiser, x, sigma) - c_skip * x) / c_out

    return ask


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_ddim_on_edms_path_is_euler_of_diffusers(steps, kind, bumpy, g):
    start, times = noise(SIGMA, g), SIGMA.times(steps)
    theirs = EDMEulerScheduler(sigma_data=1.0, prediction_type=kind)
    chain = their_chain(theirs, as_edm(bumpy, kind), start, times)
    assert_same_states(walk(bumpy, start, SIGMA, ddim(), times=times), chain)


@pytest.mark.parametrize("eta", [0, 1])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_dpm_solver_on_edms_path_is_that_of_diffusers(steps, kind, eta, bumpy, g):
    start, times = noise(SIGMA, g), SIGMA.times(steps)
    solver = "sde-dpmsolver++" if eta else "dpmsolver++"
    theirs = EDMDPMSolverMultistepScheduler(sigma_data=1.0, prediction_type=kind, algorithm_type=solver)
    chain = their_chain(theirs, as_edm(bumpy, kind), start, times, generator=seeded())
    assert_same_states(walk(bumpy, start, SIGMA, dpm_solver(eta), times=times, generator=seeded()), chain)


@pytest.mark.parametrize("steps", [2, 10, 50])
def test_ddim_on_the_straight_path_is_flow_matching_of_diffusers(steps, bumpy, g):
    start, times = noise(STRAIGHT, g), [0.95 * t for t in STRAIGHT.times(steps)]

    def flow(x, t):
        eps = at(bumpy, x, t)
        return eps - (x - t * eps) / (1 - t)

    chain = their_chain(FlowMatchEulerDiscreteScheduler(), flow, start, times)
    assert_same_states(walk(bumpy, start, STRAIGHT, ddim(), times=times), chain)


class Bumpy(torch.nn.Module):
    """The same as a network; also where eps would say nothing of x_0."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x_t, t):
        return self.function(x_t, 60 * t)


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_so_it_is_from_nothing_but_noise_with_a_network_that_predicts_flow(steps, stochastic, bumpy, g):
    start, times, network = noise(STRAIGHT, g).float(), STRAIGHT.times(steps), Bumpy(bumpy)
    theirs = FlowMatchEulerDiscreteScheduler(stochastic_sampling=stochastic)
    chain = their_chain(theirs, lambda x, t: at(network, x, t), start, times, generator=seeded())
    step = (lambda now, to: (to.a * now.x_0, to.b)) if stochastic else ddim()  # our own: all noise is fresh
    denoiser = Denoiser(network, STRAIGHT, "flow")
    assert_same_states(walk(denoiser, start, STRAIGHT, step, times=times, generator=seeded()), chain)


# ---- one truth on all paths ----

MEANS, STDS, WEIGHTS = [[-2.0, 1.0], [0.5, 0.0], [1.5, -1.0]], [0.3, 0.1, 0.5], [0.5, 0.2, 0.3]
FAR = SigmaPath(sigma_max=1e6)  # far enough for every sigma of the schedules


@pytest.mark.parametrize("t", [1, 2, 10, 100, 500, 900, 990])
@pytest.mark.parametrize("schedule", [COSINE, LINEAR], ids=["cosine", "linear"])
def test_the_truth_is_the_same_on_every_path(schedule, t, g):
    a, b = schedule.ab(t)
    sigma, x_t = b / a, 2 * torch.randn(50, 2, generator=g, dtype=torch.float64)
    exact = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, schedule)
    for path, time, scale in [(FAR, sigma, 1 / a), (STRAIGHT, sigma / (1 + sigma), 1 / a / (1 + sigma))]:
        other, same, each = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path), scale * x_t, tensor([time] * 50)
        assert_same(other.x_0(same, each), exact.x_0(x_t, t), 1e-9)
        assert_same(other(same, each), exact(x_t, tensor([t] * 50)), 1e-9)
        assert_same(scale * other.score(same, each), exact.score(x_t, t), 1e-9)
        # A density is for each unit of volume, and that is scaled, too.
        assert_same(other.log_prob(same, each), exact.log_prob(x_t, t) - 2 * math.log(scale), 1e-9)


@pytest.mark.parametrize("does", ["__call__", "x_0", "score", "log_prob"])
@pytest.mark.parametrize(
    ("path", "t"), [(COSINE, 300), (STRAIGHT, 0.3), (SIGMA, 24.1)], ids=["cosine", "straight", "sigma"]
)
def test_the_truth_at_a_number_is_that_at_as_many_times(path, t, does, g):
    exact = ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path)
    x = torch.randn(5, 2, generator=g, dtype=torch.float64)
    assert_same(getattr(exact, does)(x, t), getattr(exact, does)(x, tensor([t] * 5)), 1e-14)


@pytest.mark.parametrize("step", [ddim(), dpm_solver()], ids=["ddim", "dpm_solver"])
@pytest.mark.parametrize("schedule", [COSINE, LINEAR], ids=["cosine", "linear"])
def test_a_walk_without_fresh_noise_ends_at_the_same_x_0_on_every_path(schedule, step, g):
    times = schedule.times(20)[1:]  # the cosine schedule ends with b / a of 20,000, where 1 - t loses five digits
    sigmas = [schedule.ab(t)[1] / schedule.ab(t)[0] for t in times]
    a, _ = schedule.ab(times[0])
    x_t = torch.randn(20, 2, generator=g, dtype=torch.float64)
    ends = [
        sample(ExactDenoiser.mixture(MEANS, STDS, WEIGHTS, path), start, path, step, times=visited)
        for path, start, visited in [
            (schedule, x_t, times),
            (FAR, x_t / a, sigmas),
            (STRAIGHT, x_t / a / (1 + sigmas[0]), [sigma / (1 + sigma) for sigma in sigmas]),
        ]
    ]
    for end in ends[1:]:
        assert (end - ends[0]).abs().max() < 1e-9
