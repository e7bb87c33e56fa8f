"""Bad input to training, data, metrics and figures: the error names the argument."""

import pytest
import torch
from bad_values import BROKEN, not_a_number, not_a_share, not_above_0, not_positive, not_whole
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

import diffusion_lab as lab
from diffusion_lab import MLP, NoiseSchedule, UNet, datasets, ddpm, energy_distance, figures, train

SCHEDULE = NoiseSchedule.cosine(20)
DATA, NETWORK = torch.zeros(8, 2), MLP(2, 8, 1)
UNET = UNet(1, 8, 1, num_classes=3)


@pytest.mark.parametrize("bad", ["", "DDPM", None, 3])
def test_choices_are_named(bad):
    for name, call in {
        "variance": lambda: ddpm(bad),
        "target": lambda: train(NETWORK, DATA, SCHEDULE, steps=1, target=bad),
        "precision": lambda: train(NETWORK, DATA, SCHEDULE, steps=1, precision=bad),
        "split": lambda: datasets.mnist(bad),
        "fallback": lambda: datasets.mnist(fallback=bad or "no"),
    }.items():
        with refused(name):
            call()
    with refused("target"):
        lab.Denoiser(NETWORK, SCHEDULE, bad)


@pytest.mark.parametrize("bad", ["min-snr", "uniform", 3])
def test_a_weight_and_a_draw_are_functions(bad):
    for name in ("weight", "draw"):
        with refused(name):
            train(NETWORK, DATA, SCHEDULE, steps=1, progress=False, **{name: bad})


@given(st.data())
def test_numbers_of_train(data):
    for name, bad in {
        "steps": not_positive,
        "batch_size": not_positive,
        "checkpoint_every": not_positive,
        "seed": st.one_of(st.integers(max_value=-1), not_whole, st.none()),
        "lr": not_above_0 | st.none(),
        "clip_gradient": not_above_0 | st.none(),
        "average": not_a_share,
        "condition_dropout": not_a_share,
    }.items():
        with refused(name):
            train(NETWORK, DATA, SCHEDULE, **{"steps": 1, name: data.draw(bad)})


@given(st.sampled_from(BROKEN), st.integers(0, 7), st.integers(0, 1))
def test_nan_and_infinity_in_data_are_found(broken, i, j):
    data = DATA.clone()
    data[i, j] = broken
    for name, call in {
        "data": lambda: train(NETWORK, data, SCHEDULE, steps=1),
        "x": lambda: energy_distance(data, DATA),
        "y": lambda: energy_distance(DATA, data),
    }.items():
        with refused(name):
            call()
    with refused("data"):
        train(NETWORK, DataLoader(data, batch_size=3), SCHEDULE, steps=3, progress=False)


class Endless(IterableDataset):
    def __iter__(self):
        yield from DATA


def test_data_are_floating_point_samples_and_not_none_of_them():
    strings = DataLoader(["a", "b"])
    for data in (DATA[:0], DATA.long(), DATA[:, 0], torch.tensor(1.0), DATA.tolist(), None, strings, Endless()):
        data = DataLoader(data) if isinstance(data, Endless) else data
        with refused("data"):
            train(NETWORK, data, SCHEDULE, steps=1, progress=False)
    with refused("data"):
        train(NETWORK, DataLoader(DATA, batch_size=9, drop_last=True), SCHEDULE, steps=1)
    for x, y, name in [(DATA[:0], DATA, "x"), (DATA, DATA[:0], "y"), (DATA, DATA[:, :1], "y"), (DATA, [1.0], "y")]:
        with refused(name):
            energy_distance(x, y)
    with refused("labels"):
        train(NETWORK, DataLoader(DATA), SCHEDULE, steps=1, labels=torch.zeros(8).long())
    with refused("labels"):
        train(UNET, DataLoader([(torch.zeros(1, 4, 4), 0.5)]), SCHEDULE, steps=1, progress=False)


def test_the_networks_answer_has_the_shape_of_the_data():
    class Narrow(MLP):
        def forward(self, x_t, t):
            return super().forward(x_t, t)[:, :1]

    with refused("network"):
        train(Narrow(2, 8, 1), DATA, SCHEDULE, steps=1, progress=False)


@given(not_positive, st.one_of(not_a_number, st.floats(max_value=-1e-9), st.sampled_from(BROKEN)))
def test_made_up_data_have_a_size_and_a_width(n, noise):
    for make in (datasets.number_eight, datasets.s_curve):
        with refused("n"):
            make(n)
    with refused("noise"):
        datasets.s_curve(5, noise=noise)


@given(not_positive)
def test_figures_name_what_is_off(bad):
    images, pictures = torch.zeros(4, 1, 4, 4), [Image.new("RGBA", (4, 4))] * 3
    for name, call in {
        "columns": lambda: figures.image_grid(images, columns=bad),
        "milliseconds": lambda: figures.save_gif(pictures, "never.gif", milliseconds=bad),
        "images": lambda: figures.image_grid(images[:0]),
        "points": lambda: figures.cloud(None, torch.zeros(3, 3)),
        "titles": lambda: figures.clouds([torch.zeros(3, 2)], ["one", "two"]),
    }.items():
        with refused(name):
            call()
    for frames in ([], [*pictures, Image.new("RGBA", (5, 4))]):
        with refused("frames"):
            figures.save_gif(frames, "never.gif")
    for shape in ((4, 4), (1, 2, 4, 4), (1, 4, 4)):
        with refused("images"):
            figures.image_grid(torch.zeros(shape))
