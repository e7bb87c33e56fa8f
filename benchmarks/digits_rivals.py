"""The recipes of others: the MNIST text's, and that of the Hugging Face diffusion course."""

import functools
import itertools
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from digits_common import EQUAL_SECONDS, Jobs, Row, Work, judged, mnist, verdict
from torch import Tensor, nn
from torch.utils.data import DataLoader

from diffusion_lab import Denoiser, NoiseSchedule, datasets

EPOCH = 469  # batches of 128
EPOCHS = 10  # both texts train for so many


class TextNetwork(nn.Module):
    """Four 3x3 convolutions, 2-32-64-32-1 channels, with ReLU between; the second input channel is t / 300."""

    def __init__(self):
        super().__init__()
        layers = []
        for channels_in, channels_out in itertools.pairwise([2, 32, 64, 32, 1]):
            layers += [nn.Conv2d(channels_in, channels_out, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        when = (t / 300).view(-1, 1, 1, 1).expand_as(x)
        return self.layers(torch.cat([x, when], dim=1))


def text(work: Work) -> Jobs:
    """300 steps from 1e-4 to 0.02, counted 0..299; ten epochs; sampled in 300 steps with variance beta, no clipping."""
    beta = torch.linspace(1e-4, 0.02, 300)
    alpha_bar = (1 - beta).cumprod(0)
    chain = work.steps(300)

    def loss(network: nn.Module, x_0: Tensor, labels: Tensor) -> Tensor:
        t = torch.randint(0, 300, (len(x_0),))
        eps = torch.randn_like(x_0)
        kept = alpha_bar[t].view(-1, 1, 1, 1)
        return F.mse_loss(network(kept.sqrt() * x_0 + (1 - kept).sqrt() * eps, t), eps)

    @torch.no_grad()
    def sampled(network: nn.Module, n: int) -> Tensor:
        x = torch.randn(n, 1, 28, 28)
        for i in reversed(range(chain)):
            eps = torch.cat([network(part, torch.full((len(part),), i)) for part in x.split(250)])
            x = (x - beta[i] / (1 - alpha_bar[i]).sqrt() * eps) / (1 - beta[i]).sqrt()
            x = x + beta[i].sqrt() * torch.randn_like(x) if i > 0 else x
        return x.clamp(-1, 1)  # what a picture of it shows

    def job(go_on: bool) -> list[Row]:
        torch.manual_seed(0)
        seconds = float("inf") if go_on else work.seconds(EQUAL_SECONDS)
        network = TextNetwork()
        training = trained_as_they_do(network, loss, work.steps(EPOCHS * EPOCH), seconds)
        start = time.process_time()
        images = sampled(network, work.images(1000))
        row = verdict("its own, DDPM", chain, images, None, time.process_time() - start)
        return [{"what": f"the text's, {'ten epochs' if go_on else 'equal time'}", **training, **row}]

    return {"equal time": functools.partial(job, False), "ten epochs": functools.partial(job, True)}


class CourseNetwork(nn.Module):
    """The course's: diffusers' ``UNet2DModel``; a learned vector of length 4 for the label is given as channels."""

    def __init__(self, num_classes: int = 10, embedding: int = 4):
        super().__init__()
        self.label = nn.Embedding(num_classes, embedding)
        self.unet = unet_2d(1 + embedding)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        label = self.label(labels)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.unet(torch.cat([x, label], dim=1), t).sample


def unet_2d(in_channels: int = 1) -> nn.Module:
    """``UNet2DModel`` with 32-64-64 channels, as the course's unit 2 builds it."""
    datasets.torchvision()  # so that diffusers' own import of torchvision works beside a CPU build of torch
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=28,
        in_channels=in_channels,
        out_channels=1,
        layers_per_block=2,
        block_out_channels=(32, 64, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )


class Shifted(nn.Module):
    """A network that counts 0..T-1, called with our 1..T."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, t: Tensor, **conditions: Tensor) -> Tensor:
        out = self.network(x_t, t - 1, **conditions)
        return out if isinstance(out, Tensor) else out.sample


def course(work: Work) -> Jobs:
    """Cosine schedule of 1,000 steps, Adam 1e-3, batches of 128; sampled by diffusers' DDPMScheduler.

    The course samples in all 1,000 steps, which would take 20 minutes for a hundred images; here it is 100 steps.
    """

    def job() -> list[Row]:
        torch.manual_seed(0)
        network = CourseNetwork()
        from diffusers import DDPMScheduler

        scheduler = DDPMScheduler(num_train_timesteps=1000, beta_schedule="squaredcos_cap_v2")

        def loss(network: nn.Module, x_0: Tensor, labels: Tensor) -> Tensor:
            t = torch.randint(0, 999, (len(x_0),))
            eps = torch.randn_like(x_0)
            return F.mse_loss(network(scheduler.add_noise(x_0, eps, t), t, labels), eps)

        training = trained_as_they_do(network, loss, EPOCHS * EPOCH, work.seconds(EQUAL_SECONDS))
        about = {"what": "the course's, equal time", **training}
        schedule = NoiseSchedule.cosine(1000)
        denoiser = Denoiser(Shifted(network), schedule, "eps")
        first = about | judged(denoiser, schedule, work.images(200), steps=work.steps(25), eta=1.0)
        labels, start = torch.arange(100) % 10, time.process_time()
        x, calls = torch.randn(100, 1, 28, 28), work.steps(100)
        scheduler.set_timesteps(calls)
        with torch.no_grad():
            for t in scheduler.timesteps:
                x = scheduler.step(network(x, t, labels), t, x).prev_sample
        row = verdict("its own, DDPM", calls, x.clamp(-1, 1), labels, time.process_time() - start)
        return [first, about | row]

    return {"course": job}


def trained_as_they_do(network: nn.Module, loss: Callable, steps: int, seconds: float) -> Row:
    """Train with Adam at 1e-3 on batches of 128 from a DataLoader over image files, as both texts do.

    Stops after ``steps``, or after ``seconds`` of process time, and gives what it took.
    """
    mnist("train")  # fetched, if need be
    from torchvision import transforms

    to_tensor = transforms.Compose([transforms.ToTensor(), lambda x: 2 * x - 1])
    data = datasets.torchvision().datasets.MNIST(datasets.data_folder(), train=True, transform=to_tensor)
    loader = DataLoader(data, batch_size=128, shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    start = time.process_time()
    for step, (x_0, labels) in enumerate(itertools.chain.from_iterable(itertools.repeat(loader)), 1):
        value = loss(network, x_0, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        taken = time.process_time() - start
        if step % 50 == 0:
            print(f"  step {step}: loss {value.item():.4f}, {taken:.0f} s", flush=True)
        if step == steps or taken >= seconds:
            return {"seconds": taken, "steps": step, "images": step * 128}
