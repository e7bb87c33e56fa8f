"""What a network is asked for: the definitions, from each target to each, and the loss with its weights."""

import pytest
import torch
from conftest import refused
from diffusers import EDMEulerScheduler

from diffusion_lab import (
    MLP,
    TARGETS,
    Denoiser,
    NoiseSchedule,
    SigmaPath,
    StraightPath,
    add_noise,
    convert,
    denoising_loss,
    eps_from_x0,
    min_snr,
    training_target,
    x0_from_eps,
)

COSINE, LINEAR, STRAIGHT, SIGMA = NoiseSchedule.cosine(1000), NoiseSchedule.linear(1000), StraightPath(), SigmaPath()
PATHS = {
    "cosine": (COSINE, [1, 30, 500, 900, 990]),
    "linear": (LINEAR, [1, 2, 500, 900, 1000]),
    "straight": (STRAIGHT, [1e-3, 0.1, 0.5, 0.9, 0.999]),
    "sigma": (SIGMA, [0.002, 0.1, 1.0, 10.0, 80.0]),
}

every_path = pytest.mark.parametrize(("path", "times"), PATHS.values(), ids=PATHS)
every_target = pytest.mark.parametrize("target", TARGETS)


def draw(seed=0, shape=(5, 3, 2, 2)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensor(times):
    return torch.tensor(times, dtype=torch.float64 if isinstance(times[0], float) else torch.int64)


def numbers(path, times):
    return (
        torch.tensor(each, dtype=torch.float64).view(-1, 1, 1, 1) for each in zip(*map(path.ab, times), strict=True)
    )


DEFINITIONS = {
    "eps": lambda x_0, eps, a, b: eps,
    "x_0": lambda x_0, eps, a, b: x_0,
    "v": lambda x_0, eps, a, b: a * eps - b * x_0,
    "flow": lambda x_0, eps, a, b: eps - x_0,
    "edm": lambda x_0, eps, a, b: (a * eps - b * x_0) / (a**2 + b**2).sqrt(),
    "score": lambda x_0, eps, a, b: -eps / b,
}


@every_path
@every_target
def test_a_target_is_what_its_paper_says(target, path, times):
    x_0, eps = draw(), draw(1)
    expected = DEFINITIONS[target](x_0, eps, *numbers(path, times))
    torch.testing.assert_close(training_target(target, x_0, tensor(times), eps, path), expected, rtol=1e-12, atol=1e-14)


@every_path
@pytest.mark.parametrize("source", TARGETS)
def test_each_says_what_all_the_others_say(source, path, times):
    x_0, eps, t = draw(), draw(1), tensor(times)
    x_t, out = add_noise(x_0, t, eps, path), training_target(source, x_0, t, eps, path)
    for target in TARGETS:
        expected = training_target(target, x_0, t, eps, path)
        torch.testing.assert_close(convert(x_t, t, out, path, source, target), expected, rtol=1e-9, atol=1e-9)
        for i, time in enumerate(times):  # and so it does at one time for the whole batch
            one = slice(i, i + 1)
            said = convert(x_t[one], time, out[one], path, source, target)
            torch.testing.assert_close(said, expected[one], rtol=1e-9, atol=1e-9)


@every_path
def test_the_two_with_names_of_their_own_are_the_same_formulas(path, times):
    x_0, eps, t = draw(), draw(1), tensor(times)
    x_t = add_noise(x_0, t, eps, path)
    torch.testing.assert_close(x0_from_eps(x_t, t, eps, path), x_0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(eps_from_x0(x_t, t, x_0, path), eps, rtol=1e-9, atol=1e-9)


@every_path
@every_target
def test_a_denoiser_turns_any_target_into_eps_and_x_0(target, path, times):
    x_0, eps, t = draw(), draw(1), tensor(times)
    said = training_target(target, x_0, t, eps, path)
    denoiser = Denoiser(Says(said), path, target)
    torch.testing.assert_close(denoiser(add_noise(x_0, t, eps, path), t), eps, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(denoiser.x_0(add_noise(x_0, t, eps, path), t), x_0, rtol=1e-9, atol=1e-9)


class Says(torch.nn.Module):
    """A network that answers what it holds."""

    def __init__(self, answer):
        super().__init__()
        self.answer = torch.nn.Parameter(answer)

    def forward(self, x_t, t, **conditions):
        return self.answer


# ---- EDM ----


@pytest.mark.parametrize("sigma", [0.002, 0.1, 1.0, 10.0, 80.0])
def test_edm_is_the_preconditioning_of_karras_for_data_of_variance_1(sigma):
    x, out = draw(), draw(1)
    x_0 = convert(x, sigma, out, SIGMA, "edm", "x_0")
    c_skip, c_out = 1 / (sigma**2 + 1), sigma / (sigma**2 + 1) ** 0.5
    torch.testing.assert_close(x_0, c_skip * x - c_out * out, rtol=1e-9, atol=1e-9)
    for kind, sign in [("epsilon", -1), ("v_prediction", 1)]:
        theirs = EDMEulerScheduler(sigma_data=1.0, prediction_type=kind)
        torch.testing.assert_close(x_0, theirs.precondition_outputs(x, sign * out, sigma), rtol=1e-9, atol=1e-9)


@every_path
def test_the_target_edm_has_variance_1_where_the_data_have(path, times):
    """``p^2 + q^2``, the variance for independent x_0 and eps; read off with one of them 1 and the other 0."""
    one, none = torch.ones(5, 1, dtype=torch.float64), torch.zeros(5, 1, dtype=torch.float64)
    of_x_0 = training_target("edm", one, tensor(times), none, path)
    of_eps = training_target("edm", none, tensor(times), one, path)
    torch.testing.assert_close(of_x_0**2 + of_eps**2, one, rtol=1e-14, atol=0)


def test_so_says_a_sample(g):
    x_0, eps = torch.randn(2, 100_000, 1, generator=g)
    for sigma in PATHS["sigma"][1]:
        assert training_target("edm", x_0, sigma, eps, SIGMA).var() == pytest.approx(1, abs=0.02)


def test_its_plain_loss_is_edms_weighted_one():
    """That counts an error in x_0 ``(sigma^2 + 1) / sigma^2`` times, which is snr + 1 (Karras et al. 2022, table 1)."""
    x_0, eps, t, network = draw(), draw(1), tensor(PATHS["sigma"][1]), Says(draw(2))
    plain = denoising_loss(network, x_0, t, eps, SIGMA, target="edm")
    weighted = denoising_loss(network, x_0, t, eps, SIGMA, target="edm", weight=lambda snr: snr + 1)
    torch.testing.assert_close(plain, weighted, rtol=1e-9, atol=0)
    off = Denoiser(network, SIGMA, "edm").x_0(add_noise(x_0, t, eps, SIGMA), t) - x_0
    expected = (t**2 + 1) / t**2 * off.square().flatten(1).mean(1)
    torch.testing.assert_close(plain, expected, rtol=1e-9, atol=0)


# ---- the loss ----


@every_path
@every_target
def test_the_loss_of_each_sample_is_its_mean_square(target, path, times):
    x_0, eps, t, said = draw(), draw(1), tensor(times), draw(2)
    loss = denoising_loss(Says(said), x_0, t, eps, path, target=target)
    right = DEFINITIONS[target](x_0, eps, *numbers(path, times))
    expected = [((said[i] - right[i]) ** 2).sum() / said[i].numel() for i in range(5)]
    torch.testing.assert_close(loss, torch.stack(expected), rtol=1e-12, atol=0)


def test_the_network_is_shown_the_noisy_data_the_times_and_the_conditions():
    x_0, eps, t, labels = draw(), draw(1), tensor(PATHS["cosine"][1]), torch.arange(5)

    def network(x_t, t, labels):
        shown.update(x_t=x_t, t=t, labels=labels)
        return x_t

    shown = {}
    denoising_loss(network, x_0, t, eps, COSINE, target="v", labels=labels)
    a, b = numbers(COSINE, PATHS["cosine"][1])
    torch.testing.assert_close(shown["x_t"], a * x_0 + b * eps)
    assert shown["t"] is t
    assert shown["labels"] is labels


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("eps", lambda snr: snr.clamp(max=5) / snr),
        ("v", lambda snr: snr.clamp(max=5) / (snr + 1)),
        ("x_0", lambda snr: snr.clamp(max=5)),
    ],
)
@pytest.mark.parametrize("schedule", [COSINE, LINEAR], ids=["cosine", "linear"])
def test_min_snr_counts_as_the_training_scripts_of_diffusers_do(schedule, target, expected):
    times = torch.tensor([1, 10, 100, 200, 300, 500, 900, 1000])
    kept = torch.cumprod(1 - schedule.beta, 0)[times]
    weight = expected(kept / (1 - kept))
    x_0, eps, network = draw(0, (8, 2)), draw(1, (8, 2)), Says(draw(2, (8, 2)))
    plain = denoising_loss(network, x_0, times, eps, schedule, target=target)
    weighted = denoising_loss(network, x_0, times, eps, schedule, target=target, weight=min_snr)
    torch.testing.assert_close(weighted, plain * weight, rtol=1e-9, atol=0)


@every_path
@every_target
def test_a_weight_counts_the_error_in_x_0(target, path, times):
    x_0, eps, t, network = draw(), draw(1), tensor(times), Says(draw(2))
    loss = denoising_loss(network, x_0, t, eps, path, target=target, weight=lambda snr: 3 + snr.sqrt())
    x_t = add_noise(x_0, t, eps, path)
    off = convert(x_t, t, network.answer, path, target, "x_0") - x_0
    a, b = (each.flatten() for each in numbers(path, times))
    torch.testing.assert_close(loss, (3 + a / b) * off.square().flatten(1).mean(1), rtol=1e-9, atol=0)


@every_path
@pytest.mark.parametrize("weight", [None, min_snr])
@every_target
def test_the_gradient_is_that_of_the_formula_for_all_that_it_depends_on(target, weight, path, times):
    """By finite differences: for the network, and also for the data and the noise, for those may be learned, too."""

    def loss(x_0, eps, matrix):
        def network(x_t, t):
            return torch.tanh(x_t @ matrix)

        return denoising_loss(network, x_0, t, eps, path, target=target, weight=weight)

    t = tensor(times[1:4])
    inputs = [draw(seed, (3, 2)).requires_grad_() for seed in (0, 1)] + [draw(2, (2, 2)).requires_grad_()]
    assert torch.autograd.gradcheck(loss, inputs)


def test_every_number_of_the_answer_has_its_share_in_the_gradient():
    x_0, eps, t, network = draw(), draw(1), tensor(PATHS["linear"][1]), Says(draw(2))
    denoising_loss(network, x_0, t, eps, LINEAR, target="v").mean().backward()
    expected = 2 * (network.answer - training_target("v", x_0, t, eps, LINEAR)) / x_0.numel()
    torch.testing.assert_close(network.answer.grad, expected.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_loss_of_half_precision_is_added_up_in_float32(dtype):
    """Squares of 300 do not fit into float16."""
    x_0, eps = torch.zeros(2, 4, dtype=dtype), torch.zeros(2, 4, dtype=dtype)
    loss = denoising_loss(lambda x_t, t: x_t + 300, x_0, torch.tensor([1, 1000]), eps, LINEAR, target="eps")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.full((2,), 90_000.0), rtol=1e-2, atol=0)


# ---- what is refused ----


def test_an_answer_of_another_shape_is_refused():
    x_0, t = draw(), tensor(PATHS["cosine"][1])
    for shape in [(5, 3, 2), (5, 3, 2, 1), (1, 3, 2, 2), (5, 1, 2, 2), ()]:  # those that broadcast, above all
        with refused("network"):
            denoising_loss(lambda x_t, t, shape=shape: torch.zeros(shape), x_0, t, x_0, COSINE, target="eps")


@pytest.mark.parametrize("wrong", ["epsilon", "x0", "", "V", None, 0])
def test_a_target_that_is_none_is_refused(wrong):
    x, t = draw(), tensor(PATHS["cosine"][1])
    for call in [
        lambda: training_target(wrong, x, t, x, COSINE),
        lambda: convert(x, t, x, COSINE, "eps", wrong),
        lambda: convert(x, t, x, COSINE, wrong, "eps"),
        lambda: denoising_loss(lambda x_t, t: x_t, x, t, x, COSINE, target=wrong),
        lambda: Denoiser(MLP(2, 8, 1), COSINE, wrong),
    ]:
        with refused("target"):
            call()


def test_a_target_that_is_none_is_refused_also_where_there_is_nothing_to_do():
    with refused("target"):
        convert(draw(), 5, draw(1), COSINE, "epsilon", "epsilon")


@every_path
def test_clean_data_have_no_score(path, times):
    x, zero = draw(), 0 * tensor(times)
    for t in (0, zero, torch.cat([zero[:1], tensor(times)[1:]])):
        with refused("t"):
            training_target("score", x, t, x, path)
        with refused("t"):
            convert(x, t, x, path, "eps", "score")
        with refused("t"):
            convert(x, t, x, path, "score", "x_0")


@every_path
def test_in_clean_data_no_noise_is_seen(path, times):
    x, zero = draw(), 0 * tensor(times)
    for t in (0, zero, torch.cat([zero[:1], tensor(times)[1:]])):
        with refused("t"):
            eps_from_x0(x, t, x, path)
        with refused("t"):
            Denoiser(MLP(2, 8, 1), path, "v")(x, t)
        if isinstance(t, torch.Tensor):
            with refused("t"):
                denoising_loss(lambda x_t, t: x_t, x, t, x, path, target="eps", weight=min_snr)


@pytest.mark.parametrize("t", [1, 1.0, torch.ones(5), torch.tensor([0.5, 0.5, 1.0, 0.5, 0.5])], ids=str)
def test_where_there_is_no_signal_the_noise_says_nothing_of_x_0(t):
    x = draw()
    with refused("t"):
        x0_from_eps(x, t, x, STRAIGHT)
    with refused("t"):
        convert(x, t, x, STRAIGHT, "score", "x_0")
    with refused("t"):
        Denoiser(Says(x), STRAIGHT, "eps").x_0(x, t)


@pytest.mark.parametrize("target", ["x_0", "v", "flow", "edm"])
def test_but_the_others_do(target):
    x_0, eps = draw(), draw(1)
    said = training_target(target, x_0, 1, eps, STRAIGHT)
    torch.testing.assert_close(convert(eps, 1, said, STRAIGHT, target, "x_0"), x_0, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weight", [None, min_snr])
@pytest.mark.parametrize("target", TARGETS)
def test_no_time_that_training_may_draw_on_the_straight_path_spoils_a_loss(target, weight):
    t = STRAIGHT.spread(torch.tensor([0, 1 - 2**-53], dtype=torch.float64))  # the last is 1 in float32
    x_0, eps = draw(0, (2, 3)), draw(1, (2, 3))
    loss = denoising_loss(Says(draw(2, (2, 3))), x_0, t, eps, STRAIGHT, target=target, weight=weight)
    assert loss.isfinite().all()
