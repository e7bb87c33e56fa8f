"""The judge that is shipped: what it says of real digits, of what is none, and of labels; with no data at hand."""

import math
import os

import pytest
import torch
from conftest import refused

from diffusion_lab import Gaussian, Judge, Verdict, datasets, frechet_distance, load_judge
from diffusion_lab.judge import FLOORS, DigitClassifier

NUMBERS = ("frechet", "sure", "entropy", "agreement")


@pytest.fixture(scope="module")
def judge():
    return load_judge()


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's digits: none of MNIST's, but digits, and always there."""
    images, labels = datasets.digits()
    return images[:600], labels[:600]


@pytest.fixture
def real():
    if not datasets.has_mnist():
        pytest.skip("no whole copy of MNIST on this machine; DIFFUSION_LAB_DATA may name one")
    return datasets.mnist("test")


def test_it_reads_the_real_test_images_as_well_as_its_notes_say(judge, real):
    images, labels = real
    verdict = judge(images, labels)
    assert verdict.agreement == pytest.approx(judge.accuracy, abs=3e-4)
    assert verdict.frechet == pytest.approx(0, abs=1e-2)  # the reference is of these very images
    half = judge(images[::10], labels[::10])
    assert half.frechet == pytest.approx(judge.real(1000).frechet, rel=0.5)
    assert half.sure == pytest.approx(judge.real(1000).sure, abs=0.03)


def test_its_notes_say_at_least_99_2_percent(judge):
    assert 0.992 <= judge.accuracy <= 1
    assert not judge.classifier.training
    assert not any(parameter.requires_grad for parameter in judge.classifier.parameters())


@pytest.mark.parametrize("balanced", [False, True])
def test_floors_fall_with_n_and_are_those_of_real_digits(judge, balanced):
    floors = [judge.real(n, balanced) for n in FLOORS]
    assert [floor.n for floor in floors] == list(FLOORS)
    frechet = [floor.frechet for floor in floors]
    assert frechet == sorted(frechet, reverse=True)
    assert frechet[0] > 10 * frechet[-1] > 0
    for floor in floors:
        assert 0.9 < floor.sure <= 1
        assert 0.99 < floor.agreement <= 1
        assert 3.2 < floor.entropy <= math.log2(10)


def test_a_draw_with_each_digit_equally_often_has_a_floor_of_its_own(judge):
    for n in (100, 300, 1000):  # chance adds to the distance
        assert judge.real(n, balanced=True).frechet < 0.8 * judge.real(n).frechet
    for n in FLOORS:
        assert judge.real(n, balanced=True).entropy == pytest.approx(math.log2(10), abs=0.002)
    # but the test images do not hold each digit equally often, and in the end that is what remains
    assert judge.real(10_000, balanced=True).frechet > judge.real(10_000).frechet


def test_between_the_measured_sizes_the_floor_lies_between(judge):
    for below, n, above in [(100, 101, 200), (200, 300, 500), (1000, 1001, 2000), (2000, 4999, 5000)]:
        between = judge.real(n)
        assert (between.n, judge.real(above).frechet < between.frechet < judge.real(below).frechet) == (n, True)
        for name in NUMBERS:
            low, high = sorted(getattr(judge.real(m), name) for m in (below, above))
            assert low <= getattr(between, name) <= high


def test_it_is_straight_in_one_over_n():
    known = {(n, False): Verdict(n, 3 + 700 / n, 0.9, 3.0 + 1 / n, 0.99) for n in FLOORS}
    judge = Judge(DigitClassifier(), reference=None, floors=known, accuracy=0.99)
    for n in (100, 150, 700, 1234, 9999, 10_000):
        assert judge.real(n).frechet == pytest.approx(3 + 700 / n)
        assert judge.real(n).entropy == pytest.approx(3 + 1 / n)
        assert judge.real(n).sure == pytest.approx(0.9)


def test_what_is_no_digit_is_far_off(judge, g):
    floor = judge.real(200).frechet
    noise, empty = torch.randn(200, 1, 28, 28, generator=g), torch.full((200, 1, 28, 28), -1.0)
    for images in (noise, noise.clamp(-1, 1), empty):
        assert judge(images).frechet > 20 * floor
    assert judge(empty).entropy < 1 < judge.real(200).entropy


def test_noise_on_digits_makes_it_worse_and_worse(judge, digits, g):
    images, labels = digits
    noise = torch.randn(images.shape, generator=g)
    clean, some, much = (judge((images + level * noise).clamp(-1, 1), labels) for level in (0, 0.5, 1.5))
    assert clean.frechet < some.frechet < much.frechet
    assert clean.agreement > 0.6  # they are of another hand and another camera, but it reads most of them
    assert max(some.agreement, much.agreement) < 0.3  # a tenth would be luck


def test_every_number_is_what_it_is_said_to_be(judge, digits):
    images, labels = digits
    verdict, features = judge(images, labels), judge.features(images)
    assert (features.shape, features.device.type) == ((600, 64), "cpu")
    probability = judge.classifier(images).softmax(1)
    share = probability.mean(0)
    assert verdict.n == 600
    assert verdict.frechet == pytest.approx(frechet_distance(features, judge.reference), rel=1e-6)
    assert verdict.sure == pytest.approx((probability.max(1).values >= 0.99).float().mean().item())
    assert verdict.agreement == pytest.approx((probability.argmax(1) == labels).float().mean().item())
    assert verdict.entropy == pytest.approx(-(share * share.log2()).sum().item(), rel=1e-5)
    assert judge(images, (labels + 1) % 10).agreement < 0.1
    assert judge(images).agreement is None
    assert judge(images[labels == 3]).entropy < 1.5 < verdict.entropy


def test_who_comes_first_and_in_what_dtype_does_not_matter(judge, digits):
    images, labels = digits
    verdict = judge(images, labels)
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    for other in (judge(images[order], labels[order]), judge(images.double(), labels.int())):
        for name in NUMBERS:
            assert getattr(other, name) == pytest.approx(getattr(verdict, name), rel=1e-4, abs=2e-3)


def test_it_needs_no_data_and_no_network(monkeypatch, tmp_path, digits):
    def fail(*_, **__):
        raise AssertionError("it looked for data, or for the network")

    monkeypatch.setenv("DIFFUSION_LAB_DATA", str(tmp_path))
    monkeypatch.setattr("diffusion_lab.datasets.mnist", fail)
    monkeypatch.setattr("socket.socket.connect", fail)
    judge = load_judge()
    assert judge(*digits).n == 600
    assert judge.real(600).n == 600
    assert os.listdir(tmp_path) == []


def test_the_reference_has_the_features_dimensions(judge):
    assert isinstance(judge.reference, Gaussian)
    assert (judge.reference.mean.shape, judge.reference.covariance.shape) == ((64,), (64, 64))
    torch.testing.assert_close(judge.reference.covariance, judge.reference.covariance.T)
    assert torch.linalg.eigvalsh(judge.reference.covariance).min() > -1e-6


def test_bad_input_is_named(judge):
    images = torch.zeros(4, 1, 28, 28)
    broken = images.clone()
    broken[1, 0, 3, 3] = float("nan")
    wrong = [images[:0], images[:, 0], images[..., 1:], images.repeat(1, 3, 1, 1), images.byte(), broken, None]
    for bad in wrong:
        with refused("images"):
            judge(bad)
    with refused("points"):
        judge(images[:1])  # of one image there is no covariance
    for labels in (torch.zeros(3).long(), torch.zeros(4), [0] * 4, torch.zeros(4, 1).long()):
        with refused("labels"):
            judge(images, labels)
    for n in (99, 10_001, 0, -5, 500.0, True, None, "500"):
        with refused("n"):
            judge.real(n)
