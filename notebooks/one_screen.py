"""A diffusion model on one screen: it learns to turn noise into a letter S.

python one_screen.py      (some ten seconds on one core; draws one_screen.png)
"""

import math

import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(0)

# The data: points on a letter S.
angle = 3 * math.pi * (torch.rand(10_000) - 0.5)
data = torch.stack([angle.sin(), angle.sign() * (angle.cos() - 1)], dim=1)
data = data + 0.1 * torch.randn(data.shape)

# The noise: how much comes in at step t, and how much of the data is left.
T = 100
beta = torch.linspace(0, 0.2, T + 1)
alpha_bar = (1 - beta).cumprod(0)


def add_noise(x_0, t, eps):
    """The data after t steps of noise, in one jump."""
    return alpha_bar[t].sqrt() * x_0 + (1 - alpha_bar[t]).sqrt() * eps


# The network: it sees a noisy point and the time, and answers with the noise.
class Network(nn.Module):
    def __init__(self, width=128):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 + 16, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2),
        )

    def forward(self, x_t, t):
        angles = math.pi * t / T * 2.0 ** torch.arange(-1, 7)
        return self.layers(torch.cat([x_t, angles.cos(), angles.sin()], dim=1))


# The training: noise some data, and ask which noise it was.
network, steps = Network(), 2500
optimizer = torch.optim.Adam(network.parameters())
rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, steps)
for _ in range(steps):
    x_0 = data[torch.randint(len(data), (512,))]
    t, eps = torch.randint(1, T + 1, (512, 1)), torch.randn(x_0.shape)
    loss = (network(add_noise(x_0, t, eps), t) - eps).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    rate.step()

# The sampling: begin with noise, and take it away a little at a time.
x = torch.randn(2000, 2)
states = [x]
with torch.no_grad():
    for t in range(T, 0, -1):
        eps = network(x, torch.full((len(x), 1), t))
        x = x - beta[t] / (1 - alpha_bar[t]).sqrt() * eps
        x = x / (1 - beta[t]).sqrt()
        left = beta[t] * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])
        x = x + left.sqrt() * torch.randn(x.shape)
        states.append(x)

# The picture: five moments on the way.
figure, axes = plt.subplots(1, 5, figsize=(7, 1.8), layout="constrained")
for ax, k in zip(axes, (0, 50, 80, 90, 100), strict=True):
    ax.scatter(*states[k].T, s=0.4, color="#D55E00")
    ax.set(xlim=(-3, 3), ylim=(-3, 3), title=f"t = {T - k}", aspect="equal")
    ax.axis("off")
figure.savefig("one_screen.png")
