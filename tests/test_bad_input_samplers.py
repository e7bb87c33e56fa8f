"""Bad input to samplers, networks and whatever takes labels: the error names the argument."""

import pytest
import torch
from bad_values import not_a_share, not_above_0, not_positive, not_whole
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

import diffusion_lab as lab
from diffusion_lab import MLP, Denoiser, NoiseSchedule, SigmaPath, StraightPath, UNet, sample, walk

SCHEDULE = NoiseSchedule.cosine(20)
NETWORK, UNET = MLP(2, 8, 1), UNet(1, 8, 1, num_classes=3)
IMAGES, T_OF_EACH = torch.zeros(2, 1, 4, 4), torch.ones(2, dtype=torch.long)


def zeros(x_t, t, **conditions):
    return torch.zeros_like(x_t)


@given(st.integers(max_value=0) | not_whole, st.integers(min_value=21))
def test_steps_of_a_sampler(bad, too_many):
    for path, steps in [(SCHEDULE, bad), (SCHEDULE, too_many), (StraightPath(), bad), (SigmaPath(), bad)]:
        for use in (walk, sample, lambda denoiser, shape, path, steps: path.times(steps)):
            with refused("steps"):
                use(zeros, (2, 2), path, steps=steps)


@pytest.mark.parametrize("path", [SCHEDULE, StraightPath()])
@pytest.mark.parametrize("wrong", [[], [1], [1, 1], [0, 1], [2, 0], [1, -1], [1, float("nan"), 0]])
def test_times_fall_and_are_of_the_path(path, wrong):
    with refused("times"):
        walk(zeros, (2, 2), path, times=[path.T * each for each in wrong])
    with refused("times"):
        walk(zeros, (2, 2), SCHEDULE, times=[20, 9.5, 0])
    with refused("steps"):
        walk(zeros, (2, 2), path, times=[1, 0], steps=1)


@given(not_a_share, not_above_0 | st.none())
def test_eta_bound_and_variance(eta, bound):
    for step in (lab.ddim, lab.dpm_solver):
        with refused("eta"):
            step(eta)
    with refused("bound"):
        lab.clip(bound)
    with refused("variance"):
        lab.ddpm(eta)


@given(st.one_of(not_whole, st.none(), st.integers(max_value=0)))
def test_a_start_is_a_tuple_of_lengths_or_a_batch_of_floating_point_numbers(bad):
    wrong = [torch.zeros(2, 2).long(), torch.zeros(2, 2).bool(), torch.tensor(0.0), [[0.0, 0.0], [0.0, 0.0]]]
    for start in (() if isinstance(bad, list) else bad, (bad,), (2, bad), [bad, 2], *wrong):
        with refused("start"):
            walk(zeros, start, SCHEDULE)


def test_the_path_is_that_of_the_denoiser():
    denoiser = Denoiser(NETWORK, SCHEDULE, "eps")
    for of in (denoiser, lab.Guided(denoiser, 1), lab.ExactDenoiser.dataset(torch.zeros(1, 2), SCHEDULE)):
        for path in (NoiseSchedule.cosine(21), NoiseSchedule.linear(20), StraightPath()):
            with refused("path"):
                walk(of, (2, 2), path, steps=2)
        walk(of, (2, 2), NoiseSchedule.cosine(20), steps=2)  # equal tables are fine
    walk(lambda x_t, t: denoiser(x_t, t), (2, 2), NoiseSchedule.linear(20), steps=2)  # and so is doing it on purpose


def test_the_denoisers_answer_has_the_shape_of_its_question():
    for wrong in (lambda x, t: x[:, :1], lambda x, t: x[:1], lambda x, t: x.sum(), lambda x, t: None):
        with refused("eps"):
            sample(wrong, (2, 2), SCHEDULE, steps=2)


@given(st.data())
@settings(max_examples=25)
def test_sizes_of_networks(data):
    not_a_multiple_of_8 = not_positive | st.integers(1, 100).filter(lambda n: n % 8)
    for make, names in [
        (MLP, {"dim": not_positive, "depth": not_positive, "width": not_a_multiple_of_8}),
        (UNet, {"channels": not_positive, "blocks": not_positive, "width": not_a_multiple_of_8}),
    ]:
        for name, bad in names.items():
            with refused(name):
                make(**{name: data.draw(bad)})
    with refused("num_classes"):
        UNet(num_classes=data.draw(not_positive.filter(lambda n: n is not None)))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_networks_take_only_what_they_were_made_for(shape):
    t = torch.ones(shape[0], dtype=torch.long)
    if len(shape) != 4 or shape[1] != 1 or shape[2] % 4 or shape[3] % 4:
        with refused("x_t"):
            UNET(torch.zeros(shape), t)
    if shape[1:] != [2]:
        with refused("x_t"):
            NETWORK(torch.zeros(shape), t)


@pytest.mark.parametrize(("network", "x_t"), [(NETWORK, torch.zeros(3, 2)), (UNET, torch.zeros(3, 1, 4, 4))])
def test_networks_and_denoisers_take_a_time_for_each_sample(network, x_t):
    denoiser, wrong = Denoiser(network, SCHEDULE, "eps"), [torch.ones(2).long(), torch.ones(1).long(), torch.tensor(1)]
    for t in (torch.ones(3), torch.tensor([0.25, 0.5, 3.0]), torch.ones(3).long()):
        assert network(x_t, t).shape == x_t.shape  # of whatever path
    for t in (*wrong, torch.ones(2), torch.ones(3, 1)):
        with refused("t"):
            network(x_t, t)
    for t in (*wrong, torch.ones(3), torch.ones(3).bool(), 1.0, 21):
        with refused("t"):
            denoiser(x_t, t)
    with refused("x_t"):
        denoiser(x_t.long(), torch.ones(3).long())


@st.composite
def bad_rows(draw, batch):
    """What has not a row for each sample."""
    shape = draw(st.lists(st.integers(0, 4), max_size=2).filter(lambda s: s[:1] != [batch]))
    return draw(st.sampled_from([torch.zeros(shape), torch.zeros(shape, dtype=torch.long), [0] * batch, 3, None]))


@st.composite
def bad_labels(draw, batch):
    dtype = draw(st.sampled_from([torch.float32, torch.bool, torch.complex64]))
    wide, out_of_range = (torch.zeros(batch, *more, dtype=torch.long) for more in ([draw(st.integers(0, 3))], []))
    out_of_range[-1] = draw(st.one_of(st.integers(-(2**62), -2), st.integers(3, 2**62)))
    return draw(bad_rows(batch) | st.sampled_from([torch.zeros(batch, dtype=dtype), wide, out_of_range]))


@given(bad_rows(2))
def test_a_condition_has_a_row_for_each_sample(bad):
    for step in (lab.ddpm(), lab.ddim(), lab.dpm_solver()):
        with refused("size"):
            walk(zeros, (2, 2), SCHEDULE, step, size=bad)
    with refused("size"):
        lab.Guided(zeros, 2, {"size": 0})(torch.zeros(2, 2), T_OF_EACH, size=bad)


@given(st.data())
def test_labels_are_one_integer_in_range_for_each_sample(data):
    """At every door: a denoiser, a walk, training."""
    denoiser = Denoiser(UNET, SCHEDULE, "eps")
    with refused("labels"):
        denoiser(IMAGES, T_OF_EACH, labels=data.draw(bad_labels(2)))
    for of in (denoiser, lab.Guided(denoiser, 2), UNET):
        with refused("labels"):
            walk(of, IMAGES, SCHEDULE, labels=data.draw(bad_labels(2)))
    with refused("labels"):
        lab.train(UNET, torch.zeros(8, 1, 4, 4), SCHEDULE, steps=1, labels=data.draw(bad_labels(8)))


def test_labels_are_nothing_for_a_network_without_classes():
    labels, network = torch.tensor([0, 1]), UNet(1, 8, 1)
    for use in (network, Denoiser(network, SCHEDULE, "eps"), Denoiser(network, SCHEDULE, "eps").x_0):
        with pytest.raises(ValueError, match=r"^labels: .*num_classes"):
            use(IMAGES, T_OF_EACH, labels=labels)
    for shape in ((1,), (3,), (2, 1)):
        with refused("labels"):
            UNET(IMAGES, T_OF_EACH, torch.zeros(shape, dtype=torch.long))  # a network looks at shapes only
