"""Bad input to samplers, networks and whatever takes labels: the error names the argument."""

import pytest
import torch
from bad_values import not_a_share, not_above_0, not_positive, not_whole
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

import diffusion_lab as lab
from diffusion_lab import MLP, NoiseSchedule, UNet, ddim, ddpm, dpm_solver, sample, train

SCHEDULE = NoiseSchedule.cosine(20)
DATA, NETWORK = torch.zeros(8, 2), MLP(2, 8, 1)
UNET = UNet(1, 8, 1, num_classes=3)


def zeros(x_t, t, *labels):
    return torch.zeros_like(x_t)


@given(st.one_of(st.integers(max_value=0), st.integers(min_value=21), not_whole))
def test_steps_of_a_sampler(steps):
    for sampler in (ddpm, ddim, dpm_solver, sample):
        with refused("steps"):
            sampler(zeros, (2, 2), SCHEDULE, steps=steps)
    with refused("steps"):
        lab.timesteps(20, steps)


@given(not_a_share, not_above_0)
def test_eta_and_clip(eta, clip):
    with refused("eta"):
        ddim(zeros, (2, 2), SCHEDULE, eta=eta)
    for sampler in (ddpm, ddim, dpm_solver, sample):
        with refused("clip"):
            sampler(zeros, (2, 2), SCHEDULE, clip=clip)


@given(st.one_of(not_whole, st.none(), st.integers(max_value=0)))
def test_shape_is_a_tuple_of_lengths(bad):
    for shape in (() if isinstance(bad, list) else bad, (bad,), (2, bad), [bad, 2]):
        with refused("shape"):
            ddpm(zeros, shape, SCHEDULE)


@given(st.lists(st.integers(0, 3), max_size=3).filter(lambda s: s != [2, 2]))
def test_x_T_has_the_shape_given(shape):
    for x_T in (torch.zeros(shape), torch.zeros(2, 2).long(), [[0.0, 0.0], [0.0, 0.0]]):
        with refused("x_T"):
            ddpm(zeros, (2, 2), SCHEDULE, x_T=x_T)


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


def test_networks_take_integer_times_one_for_each_sample():
    for network, x_t in [(NETWORK, torch.zeros(3, 2)), (UNET, torch.zeros(3, 1, 4, 4))]:
        for t in (torch.ones(3), torch.ones(2).long(), torch.ones(1).long(), torch.tensor(1), torch.ones(3).bool(), 5):
            with refused("t"):
                network(x_t, t)
        with refused("x_t"):
            network(x_t.long(), torch.ones(3).long())


@st.composite
def bad_labels(draw, batch):
    shape = draw(st.lists(st.integers(0, 4), max_size=2).filter(lambda s: s != [batch]))
    dtype = draw(st.sampled_from([torch.float32, torch.bool, torch.complex64]))
    whole = torch.zeros(shape, dtype=torch.long)
    return draw(st.sampled_from([whole, torch.zeros(batch, dtype=dtype), [0] * batch, 3]))


@given(st.data())
def test_labels_are_one_integer_for_each_sample(data):
    images, t = torch.zeros(2, 1, 4, 4), torch.ones(2, dtype=torch.long)
    for sampler in (ddpm, ddim, dpm_solver):
        with refused("labels"):
            sampler(zeros, (2, 2), SCHEDULE, labels=data.draw(bad_labels(2)))
    with refused("labels"):
        UNET(images, t, data.draw(bad_labels(2)))
    with refused("labels"):
        train(NETWORK, DATA, SCHEDULE, steps=1, labels=data.draw(bad_labels(8)))
    out_of_range = torch.tensor([0, data.draw(st.one_of(st.integers(-(2**62), -2), st.integers(3, 2**62)))])
    with refused("labels"):
        UNET(images, t, out_of_range)
    with pytest.raises(ValueError, match=r"^labels: .*num_classes"):
        UNet(1, 8, 1)(images, t, torch.tensor([0, 1]))
