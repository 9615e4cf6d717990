"""Writes the gradients that PyTorch finds for whole blocks of networks, for the tests of
GraftTrainingTests.

    python Tests/Fixtures/block_gradients.py

Needs torch. Computed in double from values that are floats; everything is seeded, and the file is
the same for every run.

    blocks.npz  for each BLOCK (vgg, residual, encoder, inverted): BLOCK/in/NAME, the input `x`,
                the weights of the sum that is the loss, `loss_weight`, and all parameters;
                BLOCK/out/y, and BLOCK/gradient/NAME
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

FILE = Path(__file__).parents[2] / "Tests" / "GraftTrainingTests" / "Fixtures" / "blocks.npz"

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)


class VGGBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 18, 3, padding=1)

    def forward(self, x):
        x = functional.relu(self.conv1(x))
        return functional.max_pool2d(functional.relu(self.conv2(x)), 2)


class ResidualBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(16, 18, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(18)
        self.conv2 = nn.Conv2d(18, 18, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(18)
        self.shortcut = nn.Conv2d(16, 18, 1, stride=2, bias=False)
        self.norm3 = nn.BatchNorm2d(18)

    def forward(self, x):
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return functional.relu(y + self.norm3(self.shortcut(x)))


class InvertedResidualBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(16, 34, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(34)
        self.conv2 = nn.Conv2d(34, 34, 3, padding=1, groups=34, bias=False)
        self.norm2 = nn.BatchNorm2d(34)
        self.conv3 = nn.Conv2d(34, 16, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(16)
        self.conv4 = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16, bias=False)
        self.norm4 = nn.BatchNorm2d(16)

    def forward(self, x):
        y = functional.hardtanh(self.norm1(self.conv1(x)), 0, 1)
        y = functional.hardtanh(self.norm2(self.conv2(y)), 0, 1)
        y = x + self.norm3(self.conv3(y))
        return functional.hardtanh(self.norm4(self.conv4(y)), 0, 1)


BLOCKS = {
    "vgg": (VGGBlock(), (2, 3, 10, 8)),
    "residual": (ResidualBlock(), (3, 16, 8, 6)),
    "encoder": (
        nn.TransformerEncoderLayer(8, 2, 16, dropout=0, activation="gelu", batch_first=True),
        (2, 5, 8),
    ),
    "inverted": (InvertedResidualBlock(), (3, 16, 9, 6)),
}


def main():
    arrays = {}
    for block, (module, shape) in BLOCKS.items():
        for name, parameter in module.named_parameters():
            # Normalizations begin with ones and zeros, which would hide mistakes.
            values = torch.randn_like(parameter) * 0.3 + ("norm" in name and "weight" in name)
            parameter.data = values.float().double()
        x = torch.randn(shape).float().double().requires_grad_()
        y = module(x)
        weight = torch.randn_like(y).float().double()
        (y * weight).sum().backward()
        arrays[f"{block}/in/x"] = x
        arrays[f"{block}/in/loss_weight"] = weight
        arrays[f"{block}/out/y"] = y
        arrays[f"{block}/gradient/x"] = x.grad
        for name, parameter in module.named_parameters():
            arrays[f"{block}/in/{name}"] = parameter
            arrays[f"{block}/gradient/{name}"] = parameter.grad
    floats = {name: value.detach().numpy().astype(np.float32) for name, value in arrays.items()}
    np.savez_compressed(FILE, **floats)


if __name__ == "__main__":
    main()
