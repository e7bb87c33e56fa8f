"""The one idea: a denoiser is any callable ``eps = denoiser(x_t, t)``. Here a network that predicts something else
becomes one."""

from typing import Literal

import torch
from torch import Tensor, nn

from .noising import eps_from_v, eps_from_x0, velocity
from .schedule import NoiseSchedule

Target = Literal["eps", "v", "x_0"]
Weighting = Literal["simple", "min-snr"]


def training_target(target: Target, x_0: Tensor, t: Tensor, eps: Tensor, schedule: NoiseSchedule) -> Tensor:
    """What a network that predicts ``target`` should have said, ``(B, *S)``: eps, x_0 or the velocity v."""
    if target == "v":
        return velocity(x_0, t, eps, schedule)
    return {"eps": eps, "x_0": x_0}[target]


def loss_weight(weighting: Weighting, target: Target, t: Tensor, x: Tensor, schedule: NoiseSchedule) -> Tensor:
    """What a sample's loss counts, ``(B, 1, ..., 1)``, by its timestep: 1 for ``"simple"``.

    For ``"min-snr"`` the error counts as if it were taken in x_0 with weight ``min(snr_t, 5)``: without the cap, eps
    would count the last, nearly clean steps thousands of times as much as the noisy ones. In terms of the target::

        x_0: min(snr, 5)     eps: min(snr, 5) / snr     v: min(snr, 5) / (snr + 1)

    ``x`` is only asked for its shape, device and dtype. Source: Hang et al. 2023, "Efficient Diffusion Training via
    Min-SNR Weighting Strategy", section 3.4 and appendix.
    """
    snr = schedule.at(schedule.snr, t, x, first=1)
    if weighting == "simple":
        return torch.ones_like(snr)
    return snr.clamp(max=5) / {"x_0": torch.ones_like(snr), "eps": snr, "v": snr + 1}[target]


class Denoiser(nn.Module):
    """A network, the schedule it was trained under, and what it predicts; called, it returns eps.

    ``eps`` as it is; from v, ``sqrt(alpha_bar_t) v + sqrt(1 - alpha_bar_t) x_t``; from x_0,
    ``(x_t - sqrt(alpha_bar_t) x_0) / sqrt(1 - alpha_bar_t)``. Further arguments, such as labels, go to the network.

    Args:
        network: ``(B, *S)`` and ``(B,)`` integers in ``1..T`` to ``(B, *S)``.
        schedule: the schedule of the ``x_t`` that it is given.
        target: what it predicts: ``"eps"``, ``"v"`` or ``"x_0"``.
    """

    def __init__(self, network: nn.Module, schedule: NoiseSchedule, target: Target = "eps"):
        super().__init__()
        if target not in ("eps", "v", "x_0"):
            raise ValueError(f'target: expected "eps", "v" or "x_0", got {target!r}')
        self.network, self.schedule, self.target = network, schedule, target

    def forward(self, x_t: Tensor, t: Tensor, *conditions) -> Tensor:
        t = self.schedule.check_t(t, len(x_t), first=1).to(x_t.device)  # the network itself knows no range
        out = self.network(x_t, t, *conditions)
        if self.target == "v":
            return eps_from_v(x_t, t, out, self.schedule)
        if self.target == "x_0":
            return eps_from_x0(x_t, t, out, self.schedule)
        return out
