"""How fast: our samplers against those of diffusers on the same network, and floating-point rates."""

import functools
import itertools
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from digits_common import METHODS, NETWORK, Jobs, Row, Work, verdict
from digits_rivals import Shifted, unet_2d
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from diffusion_lab import (
    Denoiser,
    NoiseSchedule,
    UNet,
    clip,
    datasets,
    dpm_solver,
    load_pretrained,
    sample,
)

STEPS = 20
PAIRS = 7  # ours and theirs in turn, so often
BATCH = 64


class ForDiffusers(nn.Module):
    """Our network as their pipelines want one: called with one timestep in 0..T-1 for the whole batch."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.config = SimpleNamespace(sample_size=28, in_channels=1)
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def forward(self, x: Tensor, t: Tensor) -> SimpleNamespace:
        return SimpleNamespace(sample=self.network(x, t.expand(len(x)) + 1))


class NoNetwork(nn.Module):
    """Costs nothing, so that what is left is the sampler."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return x


def theirs(unet: nn.Module, schedule: NoiseSchedule, method: str, batch: int) -> Callable[[int], Tensor]:
    """Sampling with diffusers, as its users do: a pipeline for DDPM and DDIM, the scheduler's loop for the solver."""
    datasets.torchvision()  # see unet_2d
    from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, DPMSolverMultistepScheduler

    table = {
        "num_train_timesteps": schedule.T, "trained_betas": schedule.beta[1:].numpy(),
        "prediction_type": "v_prediction", "timestep_spacing": "trailing",
    }  # fmt: skip
    if method == "dpm_solver":
        scheduler = DPMSolverMultistepScheduler(**table, final_sigmas_type="zero")

        @torch.no_grad()
        def solver(seed: int) -> Tensor:
            x = torch.randn(batch, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
            scheduler.set_timesteps(STEPS)
            for t in scheduler.timesteps:
                x = scheduler.step(unet(x, t).sample, t, x).prev_sample
            return x

        return solver
    options = {"use_clipped_model_output": True} if method == "ddim" else {}
    kinds = {"ddpm": (DDPMPipeline, DDPMScheduler), "ddim": (DDIMPipeline, DDIMScheduler)}
    pipeline, scheduler = kinds[method]
    pipe = pipeline(unet, scheduler(**table))
    pipe.set_progress_bar_config(disable=True)
    return lambda seed: 2 * pipe(
        batch, torch.Generator().manual_seed(seed), num_inference_steps=STEPS, output_type="pt", **options
    ).images - 1  # fmt: skip


def speed(work: Work) -> Jobs:
    """The same network, method, number of steps and noise; the two in turn, and the median of the pairs' ratios."""

    def networks(name: str) -> tuple[Denoiser, nn.Module]:
        if name == "our U-Net":
            denoiser = load_pretrained("mnist")
            return denoiser, ForDiffusers(denoiser.network)
        torch.manual_seed(0)
        schedule = NoiseSchedule.cosine(1000)
        if name == "no network":
            return Denoiser(NoNetwork(), schedule, "v"), ForDiffusers(NoNetwork())
        unet = unet_2d().eval()
        return Denoiser(Shifted(unet), schedule, "v"), unet

    def job(name: str, method: str, batch: int) -> list[Row]:
        denoiser, unet = networks(name)
        edit = None if method == "dpm_solver" else clip()  # diffusers' solver does not clip

        def ours(seed: int) -> Tensor:
            generator = torch.Generator().manual_seed(seed)
            shape = (batch, 1, 28, 28)
            return sample(
                denoiser, shape, denoiser.path, METHODS[method](), steps=STEPS, edit=edit, generator=generator
            )

        both = {"ours": ours, "diffusers": theirs(unet, denoiser.path, method, batch)}
        mine, other = (call(0) for call in both.values())  # also warms up
        seconds: dict[str, list[float]] = {"ours": [], "diffusers": []}
        for pair in range(max(2, PAIRS // work.divide)):
            for side in sorted(both, reverse=pair % 2 == 0):
                start = time.process_time()
                both[side](1)
                seconds[side].append(time.process_time() - start)
        ratios = sorted(b / a for a, b in zip(seconds["ours"], seconds["diffusers"], strict=True))
        rates = {side: batch / statistics.median(taken) for side, taken in seconds.items()}
        row = {"what": name, "sampler": method, "batch": batch, **rates, "ratio": statistics.median(ratios),
               "lowest": ratios[0], "highest": ratios[-1], "difference": (mine - other).abs().max().item()}  # fmt: skip
        print("  " + ", ".join(f"{key} {value:.3g}" for key, value in list(row.items())[3:]), flush=True)
        return [row]

    sizes = {"our U-Net": (1, 64), "UNet2DModel": (1, 4), "no network": (1, 64)}
    return {
        f"{name}, {method}, batch {batch}": functools.partial(job, name, method, batch)
        for name, batches in sizes.items()
        for batch in batches
        for method in METHODS
    }


def timed(call: Callable[[], object], repeats: int) -> float:
    """Median process time of a call, after two that are not counted."""
    call(), call()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def matmul_rate(dtype: torch.dtype, size: int = 1024) -> float:
    """Floating-point operations a second in the product of two square matrices."""
    a, b = torch.randn(2, size, size).to(dtype)
    return 2 * size**3 / timed(lambda: a @ b, 10)


def fast(work: Work) -> Jobs:
    """Digits in half the time on a CPU: the same samples in bfloat16, with and without torch.compile, in turn."""
    ways = {
        "float32": {},
        "bfloat16": {"dtype": torch.bfloat16},
        "bfloat16, compiled": {"dtype": torch.bfloat16, "compiled": True},
        "bfloat16, compiled, channels last": {"dtype": torch.bfloat16, "compiled": True, "layout": torch.channels_last},
    }

    def made(dtype=torch.float32, compiled=False, layout=torch.contiguous_format) -> Denoiser:
        denoiser = load_pretrained("mnist-conditional").to(dtype)
        denoiser.network.to(memory_format=layout)
        if compiled:
            denoiser.network.compile()
        return denoiser

    def job() -> list[Row]:
        n = max(2, work.images(1000) // BATCH) * BATCH  # whole batches: for another size it would be compiled again
        labels, step, edit = torch.arange(n) % 10, dpm_solver(1.0), clip()
        denoisers = {name: made(**options) for name, options in ways.items()}
        taken: dict[str, list[float]] = {name: [] for name in ways}
        images: dict[str, list[Tensor]] = {name: [] for name in ways}
        for batch in [labels[:BATCH], *labels.split(BATCH)]:  # the first, which compiles, does not count
            for name, denoiser in denoisers.items():
                generator, start = torch.Generator().manual_seed(len(taken[name])), time.process_time()
                shape = (len(batch), 1, 28, 28)
                x = sample(denoiser, shape, denoiser.path, step, steps=10, edit=edit, generator=generator, labels=batch)
                taken[name].append(time.process_time() - start)
                images[name].append(x.float())
        rows = []
        for name in ways:
            ratios = sorted(a / b for a, b in zip(taken["float32"][1:], taken[name][1:], strict=True))
            row = verdict("dpm_solver, eta 1", 10, torch.cat(images[name][1:]), labels, sum(taken[name][1:]))
            spread = {"ratio": statistics.median(ratios), "lowest": ratios[0], "highest": ratios[-1]}
            rows.append({"what": name, "first": taken[name][0], **spread, **row})
        return rows

    return {"fast": job}


def flops(work: Work) -> Jobs:
    """A training step and a call of the U-Net, as rates and as shares of the matrix-multiply rate measured between."""

    def job(words: str, dtype: torch.dtype, layout: torch.memory_format, compiled: bool) -> list[Row]:
        torch.manual_seed(0)
        network = UNet(num_classes=10, **NETWORK).to(memory_format=layout)
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        x = torch.randn(BATCH, 1, 28, 28).to(memory_format=layout)
        t, labels = torch.randint(1, 1001, (BATCH,)), torch.arange(BATCH) % 10
        called = torch.compile(network) if compiled else network

        def forward(f: nn.Module) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
                return f(x, t, labels).float()

        def step(f: nn.Module) -> None:
            optimizer.zero_grad()
            F.mse_loss(forward(f), x).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

        with FlopCounterMode(display=False) as counter:
            step(network)
        training = counter.get_total_flops()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            forward(network)
        calling, repeats = counter.get_total_flops(), max(2, 15 // work.divide)
        rates, start = [matmul_rate(dtype)], time.perf_counter()
        step(called)
        first = time.perf_counter() - start
        step_seconds = timed(lambda: step(called), repeats)
        rates.append(matmul_rate(dtype))
        with torch.no_grad():
            call_seconds = timed(lambda: forward(called), repeats)
        rates.append(matmul_rate(dtype))
        row = {"what": words, "training": training, "step": step_seconds, "calling": calling, "call": call_seconds,
               "matmul": statistics.median(rates), "first": first}  # fmt: skip
        print("  " + ", ".join(f"{key} {value:.3g}" for key, value in list(row.items())[1:]), flush=True)
        return [row]

    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    jobs = {}
    for compiled, dtype, layout in itertools.product((False, True), (torch.float32, torch.bfloat16), layouts):
        words = f"{str(dtype)[6:]}, {layout}{', compiled' * compiled}"
        jobs[words] = functools.partial(job, words, dtype, layouts[layout], compiled)
    return jobs
