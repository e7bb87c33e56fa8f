"""Classifier-free guidance: the formula, one call of the network for both halves, and the score that it stands for."""

import pytest
import torch
from bad_values import BROKEN, not_a_number
from conftest import PATHS, refused, small
from hypothesis import given
from hypothesis import strategies as st

from diffusion_lab import Denoiser, ExactDenoiser, Guided, UNet, clip, convert, sample, x0_from_eps

LABELS = torch.tensor([0, 2, 1, -1])


@pytest.fixture(scope="module")
def network():
    """A U-Net that listens to labels; a fresh one says nothing at all, so its weights are shaken."""
    network = small(0, UNet, 1, 8, 1, True, 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
        network.label.weight[0] = 0
    return network.eval().requires_grad_(False)


@pytest.fixture(params=["eps", "v"])
def denoiser(network, request):
    return Denoiser(network, PATHS["cosine"], request.param)


@pytest.fixture
def x_t(g):
    return torch.randn(4, 1, 8, 8, generator=g)


T_OF_EACH = torch.tensor([1, 10, 50, 99])


@pytest.mark.parametrize("wrapped", [False, True])
def test_scale_1_is_the_conditional_and_0_the_unconditional(wrapped, denoiser, x_t):
    ask = denoiser if wrapped else denoiser.network  # a network, too, says what means "not told"
    told, not_told = ask(x_t, T_OF_EACH, labels=LABELS), ask(x_t, T_OF_EACH)
    assert torch.equal(Guided(ask, 1)(x_t, T_OF_EACH, labels=LABELS), told)
    assert torch.equal(Guided(ask, 0)(x_t, T_OF_EACH, labels=LABELS), not_told)
    assert (told - not_told)[:3].abs().amax((1, 2, 3)).min() > 0.01  # the labels do say something
    assert torch.equal(told[3], not_told[3])


@pytest.mark.parametrize("scale", [0.5, 1.25, 2, 7.5])
def test_other_scales_are_the_formula(scale, denoiser, x_t):
    guided = Guided(denoiser, scale)
    for ask, lead in ((denoiser, guided), (denoiser.x_0, guided.x_0)):
        told, not_told = ask(x_t, T_OF_EACH, labels=LABELS), ask(x_t, T_OF_EACH)
        led = lead(x_t, T_OF_EACH, labels=LABELS)
        expected = not_told + scale * (told - not_told)
        torch.testing.assert_close(led, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(led[3], not_told[3])  # who asks for nothing is led nowhere
    eps, x_0 = guided(x_t, 30, labels=LABELS), guided.x_0(x_t, 30, labels=LABELS)
    torch.testing.assert_close(x0_from_eps(x_t, 30, eps, PATHS["cosine"]), x_0, rtol=1e-4, atol=1e-4)


def test_both_halves_are_one_batch_of_one_call(x_t):
    heard = []

    def listening(x, t, labels):
        heard.append((x, t, labels))
        return x

    Guided(listening, 3, {"labels": -1})(x_t, T_OF_EACH, labels=LABELS)
    [(x, t, labels)] = heard
    assert torch.equal(x, torch.cat([x_t, x_t]))
    assert torch.equal(t, torch.cat([T_OF_EACH, T_OF_EACH]))
    assert labels.tolist() == [0, 2, 1, -1, -1, -1, -1, -1]
    Guided(listening, 1, {"labels": -1})(x_t, T_OF_EACH, labels=LABELS)
    assert len(heard.pop()[0]) == 4  # without guidance the network is asked once


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5, 4.0])
def test_it_is_the_score_of_the_data_times_a_power_of_the_classifier(scale, cosine, g):
    """Where everything is known: ``grad log( q(x_t) q(label | x_t)^scale )``, by automatic differentiation."""
    means, stds, weights = torch.tensor([[-1.0, 0.5], [1.0, 1.0], [0.0, -1.5]]), [0.4, 0.3, 0.6], [0.5, 0.2, 0.3]
    everything = ExactDenoiser.mixture(means, stds, weights, cosine)
    classes = [ExactDenoiser.mixture(means[[k]], stds[k : k + 1], [1.0], cosine) for k in range(3)]

    def exact(x_t, t, labels):
        each = torch.stack([everything(x_t, t), *(of_one(x_t, t) for of_one in classes)])
        return each[labels + 1, torch.arange(len(x_t))]

    x_t, labels = torch.randn(60, 2, generator=g, dtype=torch.float64), torch.arange(60) % 3
    for t in (5, 40, 80):
        times = torch.full((60,), t)
        eps = Guided(exact, scale, {"labels": -1})(x_t, times, labels=labels)
        score = convert(x_t, t, eps, cosine, "eps", "score")
        x = x_t.clone().requires_grad_()
        # Bayes: log q(label | x_t) = log weight + log q(x_t | label) - log q(x_t)
        of_label = torch.stack([of_one.log_prob(x, t) for of_one in classes])[labels, torch.arange(60)]
        log_prob = everything.log_prob(x, t)
        [expected] = torch.autograd.grad((log_prob + scale * (of_label - log_prob)).sum(), x)
        torch.testing.assert_close(score, expected, rtol=1e-6, atol=1e-6)


def test_more_of_it_keeps_samples_nearer_to_their_class(cosine, g):
    """Two bells that overlap, at -1 and 1: stronger guidance leaves fewer samples of 1 on the side of -1."""
    everything = ExactDenoiser.mixture([[-1.0], [1.0]], [1.0, 1.0], [0.5, 0.5], cosine)
    one = ExactDenoiser.mixture([[1.0]], [1.0], [1.0], cosine)

    def exact(x_t, t, labels):
        return torch.where((labels == -1)[:, None], everything(x_t, t), one(x_t, t))

    x_T, labels = torch.randn(2000, 1, generator=g), torch.ones(2000, dtype=torch.long)
    guided = [Guided(exact, scale, {"labels": -1}) for scale in (0, 1, 2, 4)]
    wrong = [(sample(each, x_T, cosine, steps=20, labels=labels) < 0).float().mean().item() for each in guided]
    assert wrong[0] == pytest.approx(0.5, abs=0.05)
    assert wrong[1] == pytest.approx(0.159, abs=0.03)  # of a bell of width 1, what lies a standard deviation below
    assert wrong[3] < wrong[2] < wrong[1] - 0.03


def test_it_goes_where_its_network_goes(denoiser, cosine):
    guided = Guided(denoiser, 2)
    assert [id(p) for p in guided.parameters()] == [id(p) for p in denoiser.parameters()]
    x_0 = sample(guided, (3, 1, 8, 8), cosine, steps=2, labels=torch.tensor([0, 1, 2]), edit=clip())
    assert (x_0.shape, x_0.requires_grad) == ((3, 1, 8, 8), False)


@given(not_a_number | st.none() | st.floats(max_value=-1e-9) | st.integers(max_value=-1) | st.sampled_from(BROKEN))
def test_the_scale_is_a_number_of_at_least_0(scale):
    with refused("scale"):
        Guided(lambda x_t, t, labels: x_t, scale)


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_labels_are_asked_for(scale, denoiser, x_t, cosine):
    guided = Guided(denoiser, scale)
    with refused("labels"):
        guided(x_t, T_OF_EACH)
    for labels in (
        None,
        LABELS[:3],
        LABELS.float(),
        LABELS[:, None],
        LABELS.tolist(),
        *([LABELS + 1] if scale else []),
    ):
        with refused("labels"):
            guided(x_t, T_OF_EACH, labels=labels)
    for labels in ({}, {"labels": LABELS + 1}):
        with refused("labels"):
            sample(guided, (4, 1, 8, 8), cosine, steps=2, **labels)
