"""A denoiser for points: a multilayer perceptron that is told the time at every layer."""

from torch import Tensor, nn

from ..checks import check_whole
from .embedding import TimeEmbedding, check_shapes


class MLP(nn.Module):
    """``(B, dim)`` points and ``(B,)`` times to ``(B, dim)``.

    Args:
        dim: the number of coordinates of a point.
        width: neurons in each hidden layer, a multiple of 8; the time is embedded in a quarter as many.
        depth: number of hidden layers.
    """

    def __init__(self, dim: int = 2, width: int = 128, depth: int = 3):
        super().__init__()
        check_whole("dim", dim)
        check_whole("depth", depth)
        if check_whole("width", width, 8) % 8:
            raise ValueError(f"width: expected a multiple of 8, got {width}")
        self.dim = dim
        self.options = {"dim": dim, "width": width, "depth": depth}
        self.time = TimeEmbedding(width // 4)
        self.hidden = nn.ModuleList([nn.Linear(dim if i == 0 else width, width) for i in range(depth)])
        self.hear_time = nn.ModuleList([nn.Linear(width // 4, width) for _ in range(depth)])
        self.activation = nn.SiLU()
        self.out = nn.Linear(width, dim)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        check_shapes(x_t, t)
        if x_t.ndim != 2 or x_t.shape[1] != self.dim:
            raise ValueError(f"x_t: expected shape (B, {self.dim}), got {tuple(x_t.shape)}")
        time = self.time(t)  # (B, width / 4)
        h = x_t
        for layer, hear_time in zip(self.hidden, self.hear_time, strict=True):
            h = self.activation(layer(h) + hear_time(time))  # (B, width)
        return self.out(h)
