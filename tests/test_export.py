"""Networks outside of Python: exported, compiled and as ONNX they say the same. And nothing waits for a device."""

import functools
import io
import warnings

import pytest
import torch
from onnxruntime import InferenceSession

from diffusion_lab import (
    MLP,
    Denoiser,
    Guided,
    NoiseSchedule,
    SigmaPath,
    StraightPath,
    UNet,
    clip,
    ddim,
    ddpm,
    dpm_solver,
    sample,
    threshold,
)

KINDS = {
    "mlp": (MLP, {"dim": 2, "width": 16, "depth": 2}, (2,)),
    "unet": (UNet, {"channels": 1, "width": 8, "blocks": 1}, (1, 8, 12)),
    "unet with labels": (UNet, {"channels": 3, "width": 8, "blocks": 1, "num_classes": 4}, (3, 8, 8)),
}
each = pytest.mark.parametrize("name", KINDS)
EVERY_BATCH = {0: torch.export.Dim("batch", min=1, max=4096)}


def made(name):
    """A network with all its weights at random: a U-Net that is new says 0 to everything."""
    torch.manual_seed(0)
    kind, options, _ = KINDS[name]
    network = kind(**options).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(0.3 * torch.randn_like(parameter))
    return network


def inputs(name, batch, whole=True, seed=1):
    """By name: noisy data, times and, where it takes them, labels, -1 for one that is not told."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.randint(1, 1001, (batch,), generator=generator)
    x = {"x_t": torch.randn(batch, *KINDS[name][2], generator=generator), "t": t if whole else t / 1000}
    return x | ({"labels": (torch.arange(batch) + 3) % 5 - 1} if "labels" in name else {})


def dynamic(name):
    return dict.fromkeys(inputs(name, 2), EVERY_BATCH)


def assert_it_listens(network, name):
    """To all that it is told: else the rest would hold for a network that says the same to everything."""
    told = inputs(name, 3)
    for argument, x in told.items():
        assert not torch.allclose(network(**told), network(**told | {argument: x.roll(1, 0)}), atol=1e-3)


@functools.cache
def exported(name):
    return torch.export.export(made(name), (), inputs(name, 2), dynamic_shapes=dynamic(name))


@each
def test_what_is_exported_says_the_same_for_every_batch(name):
    network = made(name)
    assert_it_listens(network, name)
    program = exported(name).module()
    for batch in (1, 3, 7):
        told = inputs(name, batch, seed=batch)
        torch.testing.assert_close(program(**told), network(**told))


@each
def test_it_compiles_in_one_piece(name):
    """A look at a number would break the graph in two, as would anything that is not tensors all the way."""
    network, told, graphs = made(name), inputs(name, 3), []

    def backend(graph, examples):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = torch.compile(network, fullgraph=True, backend=backend)
    torch.testing.assert_close(compiled(**told), network(**told))
    assert len(graphs) == 1
    assert not torch._dynamo.utils.counters["graph_break"]


@each
def test_onnx_says_the_same(name):
    """Made from the exported program; from the network itself it would be exported in the same way once more."""
    network, buffer = made(name), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the exporter, by its own dependencies
        torch.onnx.export(exported(name), dynamo=True, external_data=False, verbose=False).save(buffer)
    session = InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == list(inputs(name, 2))
    for batch in (1, 5):
        told = inputs(name, batch, seed=batch)
        (answer,) = session.run(None, {argument: x.numpy() for argument, x in told.items()})
        assert (torch.from_numpy(answer) - network(**told)).abs().max() < 1e-5


# ---- never wait for the device ----
# Tensors on the device "meta" have no numbers in them, and whoever looks at one gets an error. On a GPU a look means to
# wait until everything before is worked out.


def nowhere(name):
    with torch.device("meta"):
        return KINDS[name][0](**KINDS[name][1])


def on_meta(told):
    return {argument: x.to("meta") for argument, x in told.items()}


LOOKS = {
    "bool": lambda x: bool(x.max() < 9),
    "item": lambda x: x[0].sum().item(),
    "cpu": lambda x: x.cpu(),
    "shape": lambda x: x[x > 0],
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_a_look_at_a_number_would_be_noticed(look):
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        look(torch.zeros(3, 2, device="meta"))


@pytest.mark.parametrize("whole", [True, False], ids=["whole times", "real times"])
@each
def test_no_network_looks_at_a_number(name, whole):
    told = on_meta(inputs(name, 2, whole))
    out = nowhere(name)(**told)
    assert (out.device.type, out.shape) == ("meta", told["x_t"].shape)
    out.sum().backward()  # nor does its gradient


class Hears(torch.nn.Linear):
    """A network that hears all, but has no ``check``. That looks at labels, once, before a walk begins."""

    @property
    def nothing(self):
        return {"labels": -1}

    def forward(self, x_t, t, labels):
        return super().forward(x_t) + t[:, None] + labels[:, None]


@pytest.mark.parametrize("edit", [None, clip(), threshold()], ids=["as it is", "clipped", "threshold"])
@pytest.mark.parametrize(
    "step", [ddpm(), ddpm("beta"), ddim(), ddim(0.5), dpm_solver(), dpm_solver(1)], ids=lambda step: step.__qualname__
)
@pytest.mark.parametrize(
    ("path", "target"),
    [(NoiseSchedule.cosine(100), "v"), (StraightPath(), "flow"), (SigmaPath(), "edm")],
    ids=["cosine", "straight", "sigma"],
)
def test_no_walk_looks_at_a_number(path, target, step, edit):
    start, labels = torch.zeros(3, 2, device="meta"), torch.zeros(3, dtype=torch.int64, device="meta")
    denoiser = Denoiser(Hears(2, 2, device="meta"), path, target)
    for one in (denoiser, Guided(denoiser, 2.0)):
        x_0 = sample(one, start, path, step, steps=3, edit=edit, labels=labels)
        assert (x_0.device.type, x_0.shape) == ("meta", start.shape)
