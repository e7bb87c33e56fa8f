"""The tables of NoiseSchedule: what they are by definition, and what diffusers has."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from bad_values import BROKEN, not_a_number
from conftest import refused
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from hypothesis import given
from hypothesis import strategies as st

from diffusion_lab import NoiseSchedule
from diffusion_lab.noising import per_sample

EVERY = {
    "linear": NoiseSchedule.linear(),
    "scaled_linear": NoiseSchedule.scaled_linear(),
    "cosine": NoiseSchedule.cosine(),
    "constant": NoiseSchedule.constant(40, 0.1),
    "own": NoiseSchedule.from_betas([0.3, 0.001, 0.5]),
    "one step": NoiseSchedule.from_betas([0.3]),
}


@pytest.fixture(params=EVERY)
def schedule(request):
    return EVERY[request.param]


def test_tables_begin_at_clean_data(schedule):
    tables = [schedule.beta, schedule.alpha, schedule.alpha_bar, schedule.snr, schedule.posterior_variance]
    assert all(table.shape == (schedule.T + 1,) and table.dtype == torch.float64 for table in tables)
    assert [table[0].item() for table in tables] == [0, 1, 1, math.inf, 0]


def test_alpha_bar_is_the_product_and_snr_its_odds(schedule):
    for t in range(schedule.T + 1):
        product = math.prod(1 - beta for beta in schedule.beta[: t + 1].tolist())
        assert schedule.alpha_bar[t].item() == pytest.approx(product, rel=1e-9)
    assert schedule.snr[1:] == pytest.approx(schedule.alpha_bar[1:] / (1 - schedule.alpha_bar[1:]))
    assert schedule.signal_left == schedule.alpha_bar[schedule.T].item()


def test_posterior_variance_by_adding_precisions(schedule):
    """Bayes for bells: 1/variance = alpha_t/beta_t + 1/(1 - alpha_bar_{t-1}), without a cancelling difference."""
    for t in range(2, schedule.T + 1):
        precision = schedule.alpha[t] / schedule.beta[t] + 1 / (1 - schedule.alpha_bar[t - 1])
        assert schedule.posterior_variance[t].item() == pytest.approx(1 / precision.item(), rel=1e-6)
    assert schedule.posterior_variance[1] == 0
    assert (schedule.posterior_variance <= schedule.beta).all()


@pytest.mark.parametrize("T", [10, 100, 1000])
@pytest.mark.parametrize(
    ("theirs", "ours", "ends"),
    [
        ("linear", NoiseSchedule.linear, (1e-4, 0.02)),
        ("linear", NoiseSchedule.linear, (1e-5, 5e-3)),
        ("scaled_linear", NoiseSchedule.scaled_linear, (0.00085, 0.012)),
        ("squaredcos_cap_v2", NoiseSchedule.cosine, ()),
    ],
)
def test_tables_are_those_of_diffusers(theirs, ours, ends, T):
    names = dict(zip(("beta_start", "beta_end"), ends, strict=False))
    scheduler = DDPMScheduler(num_train_timesteps=T, beta_schedule=theirs, **names)
    schedule = ours(T, *ends)
    # Their timestep i is our t = i + 1.
    assert (schedule.beta[1:] - scheduler.betas).abs().max() < 1e-6
    # check: eq-diffusers-index
    assert (schedule.alpha_bar[1:] - scheduler.alphas_cumprod).abs().max() < 1e-5
    variance = torch.tensor([scheduler._get_variance(i) for i in range(T)])
    assert (schedule.posterior_variance[1:] - variance).abs().max() < 1e-5


@pytest.mark.parametrize(("ours", "ends"), [(NoiseSchedule.linear, ()), (NoiseSchedule.scaled_linear, ())])
def test_default_ends_are_those_of_the_papers(ours, ends):
    schedule = ours()
    expected = {"linear": (1e-4, 0.02), "scaled_linear": (0.00085, 0.012)}[ours.__name__]
    assert schedule.T == 1000
    assert (schedule.beta[1].item(), schedule.beta[-1].item()) == pytest.approx(expected)


def test_cosine_follows_its_formula_until_the_cap():
    T, offset = 50, 0.02
    schedule = NoiseSchedule.cosine(T, offset=offset)
    f = [math.cos((t / T + offset) / (1 + offset) * math.pi / 2) ** 2 for t in range(T + 1)]
    assert schedule.alpha_bar[:T].tolist() == pytest.approx([value / f[0] for value in f[:T]], abs=1e-14)
    assert schedule.beta[T].item() == 0.999
    assert NoiseSchedule.cosine(T, max_beta=0.4).beta.max().item() == 0.4


def test_an_own_table_is_kept_to_the_last_digit():
    betas = [0.1, 0.2, 1 / 3]
    assert NoiseSchedule.from_betas(betas).beta.tolist() == [0.0, *betas]
    assert NoiseSchedule(torch.tensor([0.0, *betas], dtype=torch.float64)).beta.tolist() == [0.0, *betas]
    assert NoiseSchedule([0.0, *betas]).beta.tolist() == [0.0, *betas]


def test_signal_left_tells_the_short_schedules_from_the_honest_ones():
    assert NoiseSchedule.linear(100, 1e-5, 5e-3).signal_left == pytest.approx(0.78, abs=0.005)
    assert NoiseSchedule.linear(1000).signal_left < 1e-4
    assert NoiseSchedule.cosine(100).signal_left < 1e-4


@pytest.mark.parametrize("t", [0, 1, 20])
def test_a_and_b_are_the_roots_of_the_table_at_whole_numbers_of_any_kind(t):
    """Of those that have no room for T, too."""
    schedule = NoiseSchedule.constant(1000, 0.1)
    expected = pytest.approx((0.9 ** (t / 2), (1 - 0.9**t) ** 0.5), rel=1e-9)
    for whole in (int, np.int64):
        a, b = schedule.ab(whole(t))
        assert (type(a), type(b)) == (float, float)
        assert (a, b) == expected
    for dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64):
        a, b = schedule.ab(torch.tensor([20, t], dtype=dtype))
        assert (a.shape, a.dtype, b.dtype) == ((2,), torch.float64, torch.float64)
        assert (a[1].item(), b[1].item()) == expected


def test_one_number_for_each_sample_lines_up_with_the_batch():
    schedule = NoiseSchedule.constant(20, 0.1)
    x = torch.zeros(3, 2, 4, 5)
    values = per_sample(schedule.ab(torch.tensor([0, 1, 20]))[0] ** 2, x)
    assert values.shape == (3, 1, 1, 1)
    assert values.flatten().tolist() == pytest.approx([1, 0.9, 0.9**20])
    assert values.dtype == x.dtype
    with refused("t"):
        per_sample(torch.ones(1), x)  # it would broadcast


@given(st.integers(1, 1200), st.data())
def test_the_times_of_a_sampler_fall_from_T_to_0_in_even_steps(T, data):
    schedule, steps = NoiseSchedule.constant(T, 0.1), data.draw(st.integers(1, T))
    times = schedule.times(steps)
    gaps = [t - s for t, s in pairwise(times)]
    assert (times[0], times[-1], len(times)) == (T, 0, steps + 1)
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= (T % steps > 0)
    assert schedule.times() == list(range(T, -1, -1))


@pytest.mark.parametrize("T", [10, 50, 100, 1000])
def test_the_times_are_the_trailing_ones_of_diffusers(T):
    theirs = DDIMScheduler(num_train_timesteps=T, timestep_spacing="trailing")
    for steps in [n for n in range(1, T + 1) if T % n == 0] + [3, 6, 7]:
        theirs.set_timesteps(steps)
        assert NoiseSchedule.linear(T).times(steps) == [*(theirs.timesteps + 1).tolist(), 0]


LONG = ["linear", "scaled_linear", "cosine"]


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("signal_left", [1e-8, 1e-4, 0.1])
def test_rescaled_it_ends_where_it_is_told_and_begins_as_it_did(name, signal_left):
    before = EVERY[name]
    after = before.rescale(signal_left)
    assert after.T == before.T
    assert after.signal_left == pytest.approx(signal_left, rel=1e-9)
    assert after.alpha_bar[:2].tolist() == pytest.approx(before.alpha_bar[:2].tolist(), rel=1e-12)
    # Between the two, sqrt(alpha_bar) moved along a straight line: equal slopes everywhere.
    root, bent = before.alpha_bar[1:].sqrt(), after.alpha_bar[1:].sqrt()
    slope = (bent[0] - bent[-1]) / (root[0] - root[-1])
    torch.testing.assert_close(bent - bent[-1], slope * (root - root[-1]))
    assert before.rescale().signal_left == pytest.approx(1e-4)


@pytest.mark.parametrize("name", LONG)
def test_rescaled_to_nearly_nothing_it_is_that_of_diffusers(name):
    """Theirs goes to exactly 0."""
    theirs = torch.cumprod(1 - rescale_zero_terminal_snr(EVERY[name].beta[1:]), 0)
    ours = EVERY[name].rescale(1e-14).alpha_bar[1:]
    assert theirs[-1] == 0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_rescaling_to_what_is_left_already_changes_nothing():
    schedule = EVERY["linear"]
    torch.testing.assert_close(schedule.rescale(schedule.signal_left).beta, schedule.beta, rtol=1e-6, atol=1e-9)


@given(st.one_of(not_a_number, st.none(), st.floats(max_value=0), st.floats(min_value=0.9999), st.sampled_from(BROKEN)))
def test_no_signal_and_more_than_there_was_are_refused(signal_left):
    with refused("signal_left"):
        EVERY["linear"].rescale(signal_left)
