"""Networks that learn to denoise: ``x_t`` and integer ``t`` in, a tensor like ``x_t`` out. They know no schedule."""

from .mlp import MLP
from .unet import UNet

__all__ = ["MLP", "UNet"]
