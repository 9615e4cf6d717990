"""Writes a network as PyTorch exports it, and how PyTorch trains it, for the tests of GraftTests.

    python Tests/Fixtures/exported_network.py

Needs torch and onnx. PyTorch's exporter stores equal tensors once, and lets the other layers read
them through Identity: the first weights of all normalizations here, their statistics, and biases.
Everything is seeded.

    exported.onnx  [N, 3, 8, 8] to scores [N, 3], two blocks of Conv, BatchNormalization and
                   Relu, with its first weights
    exported.npz   x [2, 16, 3, 8, 8] and y [2, 16], the batches; losses [4] of steps of
                   stochastic gradient descent with momentum 0.9 and learning rate 0.1 on them
                   in turn; trained/NAME, the weights and statistics after them
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parents[2] / "Tests" / "GraftTests" / "Fixtures"


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 3)
        nn.init.zeros_(self.conv2.bias)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(self.norm2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


def main():
    torch.manual_seed(3)
    FOLDER.mkdir(exist_ok=True)
    model = Network()
    torch.onnx.export(
        model.eval(),
        torch.zeros(1, 3, 8, 8),
        FOLDER / "exported.onnx",
        opset_version=17,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
    )
    x = torch.rand(2, 16, 3, 8, 8)
    y = torch.randint(0, 3, (2, 16))
    x += y[:, :, None, None, None] * 0.2
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for step in range(4):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[step % 2]), y[step % 2])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    arrays = {"x": x.numpy(), "y": y.numpy(), "losses": np.array(losses, np.float32)}
    for name, value in model.state_dict().items():
        if value.dtype == torch.float32:
            arrays[f"trained/{name}"] = value.numpy()
    np.savez(FOLDER / "exported.npz", **arrays)
    print(losses)


main()
