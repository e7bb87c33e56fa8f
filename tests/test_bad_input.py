"""Bad input to the mathematics: whatever Hypothesis thinks of, the error names the argument and what was expected."""

import pytest
import torch
from bad_values import BROKEN, not_positive, not_whole
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

import diffusion_lab as lab
from diffusion_lab import ExactDenoiser, NoiseSchedule

T, B = 20, 3
SCHEDULE = NoiseSchedule.cosine(T)
MIXTURE = ExactDenoiser.mixture([[0.0, 1.0], [2.0, 0.0]], [0.5, 0.1], [1.0, 2.0], SCHEDULE)

PAIRS = [("eps", "v"), ("v", "eps"), ("x_0", "v"), ("eps", "score"), ("score", "eps"), ("flow", "edm")]
# Each with two tensors of one shape, by the names of its arguments, and what it is told besides.
TWO_TENSORS = {
    "add_noise": (lab.add_noise, "x_0", "eps", {}),
    "x0_from_eps": (lab.x0_from_eps, "x_t", "eps", {}),
    "eps_from_x0": (lab.eps_from_x0, "x_t", "x_0", {}),
    "posterior": (lab.posterior, "x_0", "x_t", {}),
    **{f"training_target {target}": (lab.training_target, "x_0", "eps", {"target": target}) for target in lab.TARGETS},
    **{
        f"convert {source} to {target}": (lab.convert, "x_t", "out", {"source": source, "target": target})
        for source, target in PAIRS
    },
}
CLEAN = torch.ones(B, 2)


def call(name, first, second, t=1):
    function, *names, options = TWO_TENSORS[name]
    return function(**dict(zip(names, (first, second), strict=True)), t=t, path=SCHEDULE, **options)


ASK_FOR_T = {name: lambda t, name=name: call(name, CLEAN, CLEAN, t) for name in TWO_TENSORS} | {
    "ExactDenoiser": lambda t: MIXTURE(CLEAN, t),
    "ExactDenoiser.x_0": lambda t: MIXTURE.x_0(CLEAN, t),
    "ExactDenoiser.score": lambda t: MIXTURE.score(CLEAN, t),
    "ExactDenoiser.log_prob": lambda t: MIXTURE.log_prob(CLEAN, t),
    **{
        f"Denoiser of {target}": lambda t, target=target: lab.Denoiser(lab.MLP(2, 8, 1), SCHEDULE, target)(CLEAN, t)
        for target in lab.TARGETS
    },
    "Denoiser.x_0": lambda t: lab.Denoiser(lab.MLP(2, 8, 1), SCHEDULE, "v").x_0(CLEAN, t),
}
# Where there is no noise, nobody can say which there was, and a network is not asked.
ZERO_IS_WRONG = {"eps_from_x0", "posterior", "convert x_0 to v", "ExactDenoiser"} | {
    name for name in ASK_FOR_T if "score" in name.split() or name.startswith("Denoiser")
}

out_of_range = st.one_of(st.integers(max_value=-1), st.integers(min_value=T + 1))


@st.composite
def bad_t(draw):
    """Not a whole number, out of range, or a tensor of the wrong kind, shape or content."""
    kind = draw(st.sampled_from(["python", "int", "dtype", "shape", "entry"]))
    if kind == "python":
        return draw(st.one_of(not_whole, st.none()))
    if kind == "int":
        return draw(out_of_range)
    if kind == "dtype":
        return torch.ones(B, dtype=draw(st.sampled_from([torch.float32, torch.float64, torch.bool, torch.complex64])))
    if kind == "shape":
        shape = draw(st.lists(st.integers(0, 4), max_size=3).filter(lambda s: s != [B]))
        return torch.ones(shape, dtype=torch.long)
    t = torch.tensor(draw(st.lists(st.integers(1, T), min_size=B, max_size=B)))
    t[draw(st.integers(0, B - 1))] = draw(st.one_of(st.integers(-(2**62), -1), st.integers(T + 1, 2**62)))
    return t


@pytest.mark.parametrize("function", ASK_FOR_T)
@given(bad_t())
def test_t_is_a_whole_number_in_range_for_each_sample(function, t):
    with refused("t"):
        ASK_FOR_T[function](t)


@pytest.mark.parametrize("function", ASK_FOR_T)
def test_t_may_be_zero_only_where_that_means_something(function):
    ASK_FOR_T[function](T)
    ASK_FOR_T[function](torch.full((B,), 1))
    if function in ZERO_IS_WRONG:
        with refused("t"):
            ASK_FOR_T[function](0)
    else:
        ASK_FOR_T[function](0)


@given(st.one_of(bad_t().filter(lambda s: s is not None), st.integers(5, T)))
def test_posterior_goes_back_in_time(s):
    for t in (5, torch.full((B,), 5)):
        with refused("s"):
            lab.posterior(CLEAN, CLEAN, t, SCHEDULE, s)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@pytest.mark.parametrize("function", TWO_TENSORS)
@given(shapes, shapes)
def test_nothing_broadcasts_by_accident(function, one, other):
    if one == other:
        return
    with refused(TWO_TENSORS[function][2]):
        call(function, torch.ones(one), torch.ones(other))


@pytest.mark.parametrize("function", TWO_TENSORS)
@pytest.mark.parametrize("place", [0, 1])
@given(st.one_of(st.none(), st.floats(), st.lists(st.floats()), st.sampled_from(["int", "bool", "scalar"])))
def test_only_floating_point_batches_are_taken(function, place, x):
    x = {"int": CLEAN.long(), "bool": CLEAN.bool(), "scalar": torch.tensor(1.0)}.get(x, x) if isinstance(x, str) else x
    with refused(TWO_TENSORS[function][1 + place]):
        call(function, *((x, CLEAN) if place == 0 else (CLEAN, x)))


def test_forward_chain_takes_only_floating_point_batches():
    with refused("x_0"):
        next(lab.forward_chain(CLEAN.long(), SCHEDULE))


bad_beta = st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(float("nan")))


@given(st.lists(st.floats(1e-6, 0.99), min_size=1, max_size=8), st.data())
def test_a_beta_outside_0_and_1_is_found_wherever_it_stands(betas, data):
    t = data.draw(st.integers(0, len(betas) - 1))
    betas[t] = data.draw(bad_beta)
    for make in (NoiseSchedule.from_betas, lambda betas: NoiseSchedule([0.0, *betas])):
        with pytest.raises(ValueError, match=rf"^beta: .*beta\[{t + 1}\]"):
            make(betas)


@given(bad_beta | not_whole.filter(lambda x: not isinstance(x, float)) | st.none())
def test_ends_of_schedules_lie_between_0_and_1(beta):
    for name in ("start", "end"):
        for make in (NoiseSchedule.linear, NoiseSchedule.scaled_linear):
            with refused(name):
                make(T, **{name: beta})
    with refused("beta"):
        NoiseSchedule.constant(T, beta)
    with refused("max_beta"):
        NoiseSchedule.cosine(T, max_beta=beta)


@given(st.one_of(st.floats(max_value=-1e-9), st.sampled_from(BROKEN), st.booleans(), st.none(), st.text()))
def test_the_offset_of_cosine_is_at_least_0(offset):
    with refused("offset"):
        NoiseSchedule.cosine(T, offset=offset)


@given(not_positive)
def test_T_is_a_whole_number_of_at_least_1(bad):
    for make in (NoiseSchedule.linear, NoiseSchedule.scaled_linear, NoiseSchedule.cosine):
        with refused("T"):
            make(bad)
    with refused("T"):
        NoiseSchedule.constant(bad, 0.1)


def test_a_table_is_one_row_that_begins_with_0():
    for betas in ([], [[0.1]], 0.1):
        with refused("betas"):
            NoiseSchedule.from_betas(betas)
    for beta in ([], [0.0], [[0.0, 0.1]], [0.1, 0.2], 0.0):
        with refused("beta"):
            NoiseSchedule(beta)


@given(st.sampled_from(BROKEN), st.integers(0, 1), st.integers(0, 1))
def test_a_mixture_is_made_of_finite_numbers(broken, i, j):
    means, stds, weights = torch.zeros(2, 2), torch.ones(2), torch.ones(2)
    means[i, j] = stds[i] = weights[i] = broken
    fine = torch.zeros(2, 2), torch.ones(2), torch.ones(2)
    for place, (name, bad) in enumerate({"means": means, "stds": stds, "weights": weights}.items()):
        with refused(name):
            ExactDenoiser.mixture(*fine[:place], bad, *fine[place + 1 :], SCHEDULE)
    with refused("points"):
        ExactDenoiser.dataset(means, SCHEDULE)


@given(st.floats(max_value=0), st.integers(0, 5).filter(lambda n: n != 2))
def test_stds_and_weights_fit_the_means(number, length):
    for stds, weights, name in [
        ([1, number - 1e-9], [1, 1], "stds"),
        ([1, 1], [1, number], "weights"),
        ([1] * length, [1, 1], "stds"),
        ([1, 1], [1] * length, "weights"),
    ]:
        with refused(name):
            ExactDenoiser.mixture(torch.zeros(2, 2), stds, weights, SCHEDULE)


def test_an_empty_set_has_no_denoiser():
    for points in (torch.zeros(0, 2), torch.zeros(0), torch.tensor(1.0), torch.zeros(3)):
        with refused("points"):
            ExactDenoiser.dataset(points, SCHEDULE)
    with refused("means"):
        ExactDenoiser.mixture(torch.zeros(0, 2), torch.zeros(0), torch.zeros(0), SCHEDULE)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3).filter(lambda s: s[1:] != [2]))
def test_the_exact_denoiser_takes_points_like_its_means(shape):
    for function in (MIXTURE, MIXTURE.x_0, MIXTURE.score, MIXTURE.log_prob):
        with refused("x_t"):
            function(torch.ones(shape), 1)
