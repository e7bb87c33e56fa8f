"""Conditions by name, several at once: from training to the sampler, and what "not told" is for each."""

import pytest
import torch
from conftest import TRAINED_UNDER as SCHEDULE
from conftest import quick, refused, small
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from diffusion_lab import MLP, Denoiser, Guided, sample, train, walk


class Told(nn.Module):
    """An MLP for numbers that is told a digit and a place; it keeps what it hears."""

    nothing = {"digit": -1, "place": 0}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.digit, self.place = nn.Embedding(5, 1), nn.Linear(2, 1, bias=False)
        self.inner, self.heard = MLP(1, 16, 2), []

    def forward(self, x_t, t, digit, place):
        self.heard.append((x_t.detach(), t, digit, place))
        return self.inner(x_t + self.digit(digit + 1) + self.place(place), t)


DIGIT = torch.arange(40) % 4
PLACE = torch.stack([torch.arange(40) + 1.0, torch.ones(40)], 1)
DATA = 100.0 * torch.arange(40)[:, None]  # so far apart that noise does not hide which it was
TOLD = {"digit": DIGIT, "place": PLACE}


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return len(DATA)

    def __getitem__(self, i):
        return DATA[i], {"digit": DIGIT[i], "place": PLACE[i]}


def hearing(network, data=DATA, conditions=TOLD, **options):
    """What the network was told in training, and of which samples."""
    options = {"steps": 8, "batch_size": 20, "target": "x_0", "progress": False} | options
    train(network, data, SCHEDULE, **options, **conditions)
    x_t, t, digit, place = (torch.cat(each) for each in zip(*network.heard, strict=True))
    return (x_t[:, 0] / SCHEDULE.alpha_bar[t].sqrt() / 100), t, digit, place


@pytest.mark.parametrize("data", ["tensor", "loader"])
def test_each_sample_brings_both_and_loses_both_together(data):
    given = (DATA, TOLD) if data == "tensor" else (DataLoader(Pairs(), batch_size=20, shuffle=True), {})
    which, t, digit, place = hearing(Told(), *given, condition_dropout=0.3)
    dropped = digit == -1
    assert 20 < dropped.sum() < 80  # of 160
    assert torch.equal(dropped, (place == 0).all(1))
    seen = ~dropped & (t < 25)  # there it can still be seen which sample it was
    assert seen.sum() > 30
    i = which[seen].round().long()
    assert torch.equal(digit[seen], DIGIT[i])
    assert torch.equal(place[seen], PLACE[i])
    for share, expected in ((0.0, 0), (1.0, 160)):
        _, _, digit, _ = hearing(Told(), *given, condition_dropout=share)
        assert (digit == -1).sum() == expected


def test_who_is_dropped_needs_to_know_what_not_told_is():
    network = Told()
    for nothing in ({}, {"digit": -1}):
        network.nothing = nothing
        with refused("condition_dropout"):
            quick(network, DATA, **TOLD)
    quick(network, DATA, condition_dropout=0, **TOLD)
    with refused("condition_dropout"):
        quick(small(), torch.zeros(8, 2), labels=torch.zeros(8).long())
    quick(small(), torch.zeros(8, 2), batch_size=8)  # without conditions there is nothing to be dropped


@pytest.fixture
def denoiser():
    return Denoiser(Told(), SCHEDULE, "v").eval().requires_grad_(False)


def test_the_denoiser_hands_them_on_by_name(denoiser, g):
    x_t, t = torch.randn(40, 1, generator=g), torch.full((40,), 30)
    assert denoiser.nothing == Told.nothing
    eps = denoiser(x_t, 30, digit=DIGIT, place=PLACE)
    assert torch.equal(eps, denoiser(x_t, 30, place=PLACE, digit=DIGIT))
    torch.testing.assert_close(denoiser.network.heard[-1], (x_t, t, DIGIT, PLACE))
    for changed in ({"digit": DIGIT.flip(0)}, {"place": PLACE + 1}):
        assert not torch.allclose(denoiser(x_t, 30, **(TOLD | changed)), eps, atol=1e-3)
    for name, condition in TOLD.items():
        for bad in (condition[:39], condition.tolist(), None):
            with refused(name):
                denoiser(x_t, 30, **(TOLD | {name: bad}))


@pytest.mark.parametrize("scale", [0, 0.5, 1, 3])
def test_guidance_leads_away_from_nothing_of_each(scale, denoiser, g):
    x_t = torch.randn(40, 1, generator=g)
    untold = denoiser(x_t, 30, digit=torch.full((40,), -1), place=torch.zeros(40, 2))
    eps = untold + scale * (denoiser(x_t, 30, **TOLD) - untold)
    torch.testing.assert_close(Guided(denoiser, scale)(x_t, 30, **TOLD), eps, rtol=1e-4, atol=1e-4)


def test_guidance_can_lead_away_from_something_else_and_must_know_of_each(denoiser, g):
    x_t = torch.randn(40, 1, generator=g)
    away = {"digit": 2, "place": torch.tensor([3.0, 1.0])}
    other = denoiser(x_t, 30, digit=torch.full((40,), 2), place=away["place"].expand(40, 2))
    eps = other + 2 * (denoiser(x_t, 30, **TOLD) - other)
    torch.testing.assert_close(Guided(denoiser, 2, away)(x_t, 30, **TOLD), eps, rtol=1e-4, atol=1e-4)
    with refused("away_from"):
        Guided(denoiser, 2, {"digit": -1})(x_t, 30, **TOLD)


def test_the_walk_tells_them_at_every_step(denoiser, g):
    x_T = torch.randn(40, 1, generator=g)
    states = list(walk(denoiser, x_T, SCHEDULE, steps=5, **TOLD))
    assert len(states) == 6
    heard = denoiser.network.heard
    assert [t[0].item() for _, t, *_ in heard] == [50, 40, 30, 20, 10]
    for x_t, (seen, _, digit, place) in zip(states, heard, strict=False):
        assert torch.equal(x_t, seen)
        assert torch.equal(digit, DIGIT) and torch.equal(place, PLACE)
    for changed in ({"digit": DIGIT.flip(0)}, {"place": PLACE + 1}):
        x_0 = sample(denoiser, x_T, SCHEDULE, steps=5, **(TOLD | changed))
        assert not torch.allclose(x_0, states[-1], atol=1e-3)
    with refused("place"):
        walk(denoiser, x_T, SCHEDULE, digit=DIGIT, place=PLACE[:39])


def test_what_it_is_told_is_what_it_draws(g):
    """Data that follow from both conditions: learnt with some left out, drawn with guidance 1."""
    digit, place = torch.randint(4, (512,), generator=g), torch.rand(512, 2, generator=g) * 2 - 1

    def made(digit, place):
        return (digit[:, None] - 1.5) / 2 + place[:, :1] - place[:, 1:]

    data = made(digit, place) / 1.5
    run = quick(Told(), data, steps=200, batch_size=128, target="x_0", lr=2e-2, digit=digit, place=place)
    told = {"digit": torch.arange(40) % 4, "place": torch.rand(40, 2, generator=g) * 2 - 1}
    for denoiser in (run.denoiser, Guided(run.denoiser, 1)):
        x_0 = sample(denoiser, (40, 1), SCHEDULE, generator=g, **told)
        expected = made(told["digit"], told["place"]) / 1.5
        assert torch.corrcoef(torch.stack([x_0.flatten(), expected.flatten()]))[0, 1] > 0.9


def test_a_misspelt_option_is_not_taken_for_a_condition():
    for wrong in ({"timesteps": "uniform"}, {"label_dropout": 0.1}, {"weighting": None}):
        with refused(*wrong):
            quick(small(), torch.zeros(8, 2), **wrong)
        with refused(*wrong):
            walk(Denoiser(small(), SCHEDULE, "eps"), (2, 2), SCHEDULE, **wrong)


def test_a_loader_of_pairs_tells_labels_and_takes_nothing_beside_it():
    data = DataLoader(TensorDataset(torch.zeros(8, 2), torch.zeros(8).long()), batch_size=4)
    with refused("condition_dropout"):  # an MLP has no labels, but these are called so
        quick(small(), data)
    with refused("place"):
        quick(Told(), DataLoader(DATA), place=PLACE)
