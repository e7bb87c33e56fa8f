"""The networks: shapes, what they listen to, and that no sample sees another."""

import math

import pytest
import torch
from conftest import quick, refused
from torch import nn

from diffusion_lab import MLP, UNet
from diffusion_lab.models.embedding import sinusoidal_embedding
from diffusion_lab.pretrained import NAMES, read_weights, shipped

SIZES = [(8, 8), (8, 12), (28, 28), (36, 20)]


def awake(network, seed=1):
    """The network with every weight random: some begin at zero, and would hide what they are connected to. What stays
    zero in training, the label "not told", stays zero."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    if getattr(network, "label", None) is not None:
        nn.init.zeros_(network.label.weight[0])
    return network


def unet(channels=1, **options):
    return awake(UNet(**{"channels": channels, "width": 8, "blocks": 1, "num_classes": 3} | options))


def batch(network, n=4, size=(8, 8)):
    shape = (n, network.dim) if isinstance(network, MLP) else (n, network.channels, *size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.arange(n) * 7 + 1


EVERY = {
    "mlp": lambda: awake(MLP(2, 16, 3)),
    "unet": unet,
    "unet without classes": lambda: unet(num_classes=None),
    "unet without attention": lambda: unet(attention=False),
    "unet with more blocks": lambda: unet(3, blocks=2),
}


@pytest.fixture(params=EVERY)
def network(request):
    return EVERY[request.param]()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_images_of_any_size_that_is_a_multiple_of_4(channels, size):
    network = unet(channels)
    x_t, t = batch(network, 2, size)
    assert network(x_t, t).shape == x_t.shape


@pytest.mark.parametrize("dim", [1, 2, 7])
def test_points_of_any_dimension(dim):
    network = MLP(dim, 8, 1)
    x_t, t = batch(network)
    assert network(x_t, t).shape == x_t.shape


def test_a_gradient_reaches_every_parameter(network):
    x_t, t = batch(network)
    labels = () if getattr(network, "num_classes", None) is None else (torch.tensor([-1, 0, 1, 2]),)
    (network(x_t, t, *labels) ** 2).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_new_network_learns_at_once():
    """Some weights begin at zero; none may stay there."""
    for network in (MLP(2, 16, 2), UNet(1, 8, 1)):
        x_t, t = batch(network)
        before = {name: parameter.clone() for name, parameter in network.named_parameters()}
        optimizer = torch.optim.Adam(network.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            ((network(x_t, t) - torch.sin(3 * x_t)) ** 2).mean().backward()
            optimizer.step()
        still = [name for name, parameter in network.named_parameters() if torch.equal(parameter, before[name])]
        assert still == []


def test_no_sample_sees_another(network):
    network.train()
    x_t, t = batch(network)
    together = network(x_t, t)
    for i in range(len(x_t)):
        torch.testing.assert_close(network(x_t[i : i + 1], t[i : i + 1])[0], together[i], rtol=1e-4, atol=1e-4)


def test_time_matters(network):
    x_t, t = batch(network)
    for other in (t + 1, t * 10):
        assert (network(x_t, t) - network(x_t, other)).abs().flatten(1).amax(1).min() > 1e-4


@pytest.mark.parametrize("kind", ["mlp", "unet with more blocks"])
def test_every_block_hears_the_time(kind):
    network = EVERY[kind]()
    ears = [m for n, m in network.named_modules() if n.endswith("scale_shift") or n.startswith("hear_time.")]
    assert len(ears) == {"mlp": 3, "unet with more blocks": 8}[kind]
    x_t, t = batch(network)
    answer = network(x_t, t)
    for ear in ears:
        deaf = ear.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
        assert not torch.allclose(network(x_t, t), answer, atol=1e-3)
        deaf.remove()
    for ear in ears:
        ear.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    torch.testing.assert_close(network(x_t, t), network(x_t, t * 10))  # and there is no other way in


def test_labels_matter_and_not_told_is_the_zero_vector():
    network = UNet(1, 8, 1, num_classes=3)
    assert (network.label.weight[0] == 0).all() and network.label.weight[1:].std() > 0.5
    x_t, t = batch(network)
    network = unet()
    answers = [network(x_t, t, torch.full((4,), label)) for label in (-1, 0, 1, 2)]
    torch.testing.assert_close(answers[0], network(x_t, t))  # -1 is "not told"
    for i in range(4):
        for j in range(i):
            assert not torch.allclose(answers[i], answers[j], atol=1e-3)
    mixed = network(x_t, t, torch.tensor([-1, 0, 1, 2]))
    torch.testing.assert_close(mixed, torch.stack([answers[i][i] for i in range(4)]), rtol=1e-4, atol=1e-4)


def test_not_told_stays_the_zero_vector_in_training():
    network = UNet(1, 8, 1, num_classes=3)
    before = network.label.weight.detach().clone()
    labels = torch.arange(16) % 3
    run = quick(network, torch.rand(16, 1, 4, 4), steps=4, labels=labels, condition_dropout=0.5)
    for trained in (network, run.denoiser.network):
        assert (trained.label.weight[0] == 0).all()
        assert (trained.label.weight[1:] != before[1:]).any()


def watch(network):
    """Two dicts that hold, after a call, what went into each part of the network and what came out."""
    inputs, outputs = {}, {}
    for name, module in network.named_modules():

        def note(module, x, y, name=name):
            inputs[name], outputs[name] = x, y

        module.register_forward_hook(note)
    return inputs, outputs


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_way_up_reads_what_the_way_down_set_aside(blocks):
    """Each block on the way up has the output of its partner across the U as the second half of its input."""
    network = unet(blocks=blocks)
    inputs, outputs = watch(network)
    network(*batch(network))
    for level, width in (("low", 16), ("top", 8)):
        for i in range(blocks):
            read = inputs[f"up_{level}.{i}"][0][:, width:]
            assert torch.equal(read, outputs[f"down_{level}.{blocks - 1 - i}"])
            with torch.no_grad():
                up = getattr(network, f"up_{level}")[i]
                (h, embedding), out = inputs[f"up_{level}.{i}"], outputs[f"up_{level}.{i}"]
                without = torch.cat([h[:, :width], torch.zeros_like(read)], 1)
                assert not torch.allclose(up(without, embedding), out, atol=1e-3)


def test_the_u_goes_down_to_a_quarter():
    network = unet()
    _, outputs = watch(network)
    network(*batch(network, size=(16, 24)))
    seen = [tuple(outputs[name].shape[1:]) for name in ("fold", "shrink", "attend", "grow")]
    assert seen == [(8, 8, 12), (16, 4, 6), (16, 4, 6), (8, 8, 12)]


def test_attention_carries_news_across_the_image():
    far = torch.zeros(1, 1, 64, 64)
    far[..., :4, :4] = 5.0
    t = torch.ones(1, dtype=torch.long)
    x_t = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    network = unet()
    for norm in (m for m in network.modules() if isinstance(m, nn.GroupNorm)):
        norm.register_forward_hook(lambda m, x, y: x[0])  # group norm carries news, too
    assert (network(x_t + far, t) - network(x_t, t))[..., -4:, -4:].abs().max() > 1e-6
    network.attend = nn.Identity()
    assert (network(x_t + far, t) - network(x_t, t))[..., -4:, -4:].abs().max() == 0


def test_the_embedding_is_the_one_of_the_docstring():
    t = torch.tensor([0, 1, 17, 1000])
    embedded = sinusoidal_embedding(t, 8)
    for row, time in zip(embedded, t.tolist(), strict=True):
        waves = [10_000 ** (-i / 4) * time for i in range(4)]
        expected = [math.cos(w) for w in waves] + [math.sin(w) for w in waves]
        assert row.tolist() == pytest.approx(expected, abs=1e-4)
    assert torch.pdist(sinusoidal_embedding(torch.arange(1, 1001), 32)).min() > 0.1


def shapes(state):
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_names_of_parameters_stay_for_the_sake_of_files():
    assert set(dict(MLP(2, 8, 1).named_children())) == {"time", "hidden", "hear_time", "activation", "out"}
    parts = {"time", "label", "fold", "down_top", "shrink", "down_low", "attend", "up_low", "grow", "up_top", "unfold"}
    assert set(dict(UNet(1, 8, 1, num_classes=3).named_children())) == parts
    block = {name.split(".")[2] for name in UNet(1, 8, 1).state_dict() if name.startswith("up_low.0")}
    assert block == {"norm_1", "conv_1", "scale_shift", "norm_2", "conv_2", "skip"}
    assert shapes(MLP(3, 8, 2).state_dict()) == {
        "time.layers.0.weight": (2, 2), "time.layers.0.bias": (2,), "time.layers.2.weight": (2, 2),
        "time.layers.2.bias": (2,), "hidden.0.weight": (8, 3), "hidden.0.bias": (8,), "hidden.1.weight": (8, 8),
        "hidden.1.bias": (8,), "hear_time.0.weight": (8, 2), "hear_time.0.bias": (8,), "hear_time.1.weight": (8, 2),
        "hear_time.1.bias": (8,), "out.weight": (3, 8), "out.bias": (3,),
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_files_written_long_ago_still_fit(name):
    """Every name and every shape is that of the weights that are shipped."""
    tensors, notes = read_weights(shipped(f"{name}.safetensors"))
    del tensors["schedule.beta"]
    assert not ("label.weight" in tensors and tensors["label.weight"][0].any())  # that of "not told"
    assert shapes(UNet(**notes["options"]).state_dict()) == shapes(tensors)


def test_any_real_time_will_do(network):
    """A whole one says the same as an integer, and one between two says something between: times need not be steps."""
    x_t, t = batch(network)
    answer = network(x_t, t)
    torch.testing.assert_close(network(x_t, t.double()), answer)
    torch.testing.assert_close(network(x_t, t + 1e-3), answer, rtol=1e-1, atol=3e-2)
    assert not torch.equal(network(x_t, t + 1e-3), answer)
    for other in (t - 0.5, -t, t * 1e4):
        assert network(x_t, other).isfinite().all()


def test_a_network_looks_at_shapes_and_its_check_at_values():
    network = unet()
    x_t, t = batch(network)
    for wrong in (t[:3], t[:, None], t[0]):
        with refused("t"):
            network(x_t, wrong)
    for wrong in (x_t[:, 0], x_t[..., :7], x_t.repeat(1, 2, 1, 1)):
        with refused("x_t"):
            network(wrong, t)
    for labels in (torch.tensor([0, 1, 2, 3]), torch.tensor([-2, 0, 0, 0]), torch.zeros(4), torch.zeros(4, 1).long()):
        with refused("labels"):
            network.check(labels=labels)
    network.check(labels=torch.tensor([-1, 0, 1, 2]))
    network.check()
    with refused("labels"):
        network(x_t, t, labels=torch.zeros(3).long())
    deaf = unet(num_classes=None)
    for ask in (deaf.check, lambda labels: deaf(x_t, t, labels)):
        with refused("labels"):
            ask(labels=torch.zeros(4).long())
    assert (network.nothing, deaf.nothing) == ({"labels": -1}, {})


def test_networks_work_in_float64(network):
    x_t, t = batch(network)
    answer = network(x_t, t)
    double = network.double()(x_t.double(), t)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), answer, rtol=1e-3, atol=1e-3)
