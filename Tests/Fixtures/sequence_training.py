"""Writes networks of sequences as PyTorch exports them, and how PyTorch trains them, for the tests
of GraftTests.

    python Tests/Fixtures/sequence_training.py

Needs torch, onnx and onnxscript. Everything is seeded.

    NAME.torchscript.onnx, NAME.dynamo.onnx
        scores [N, 3] of sequences [N, T, …], with the first weights, by each exporter, for
            lstm         words, nn.Embedding and nn.LSTM
            gru          two layers of nn.GRU with two directions
            transformer  two layers of nn.TransformerEncoder without dropout
    sequences.npz
        NAME/x [20, N, T, …] and NAME/y [20, N], the batches; NAME/losses [20] of steps of
        stochastic gradient descent with momentum 0.9 and learning rate 0.1 on them, computed in
        double; NAME/count [], the number of weights
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

FOLDER = Path(__file__).parents[2] / "Tests" / "GraftTests" / "Fixtures"
STEPS, BATCH, LENGTH, WORDS, FEATURES, CLASSES = 20, 6, 7, 10, 4, 3
EXPORTERS = {"torchscript": False, "dynamo": True}


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.linear = nn.Linear(8, CLASSES)

    def forward(self, x):
        _, (last, _) = self.lstm(self.embedding(x))
        return self.linear(last[-1])


class Directions(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(FEATURES, 6, 2, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(12, CLASSES)

    def forward(self, x):
        outputs, _ = self.gru(x)
        return self.linear(outputs.mean(1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(FEATURES, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.scores = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.scores(self.encoder(self.linear(x)).mean(1))


def words():
    return torch.randint(0, WORDS, (STEPS, BATCH, LENGTH))


def numbers():
    return torch.randn(STEPS, BATCH, LENGTH, FEATURES)


NETWORKS = {
    "lstm": (Words, words),
    "gru": (Directions, numbers),
    "transformer": (Attention, numbers),
}


def export(name, model, x):
    # Neither exporter may compute with weights in advance, or use what inference allows.
    model.train()
    for exporter, is_dynamo in EXPORTERS.items():
        path = FOLDER / f"{name}.{exporter}.onnx"
        if is_dynamo:
            options = {"dynamic_shapes": ({0: "N"},), "external_data": False, "verbose": False}
        else:
            options = {
                "dynamic_axes": {"x": {0: "N"}},
                "training": torch.onnx.TrainingMode.TRAINING,
                "do_constant_folding": False,
            }
        torch.onnx.export(
            model,
            (x,),
            path,
            dynamo=is_dynamo,
            input_names=["x"],
            output_names=["scores"],
            opset_version=18,
            **options,
        )
        made = onnx.load(path)
        # Nothing but the network: exporters write the code and the paths of this program too.
        for node in made.graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for values in (made.graph.value_info, made.graph.metadata_props, made.metadata_props):
            del values[:]
        for value in (*made.graph.input, *made.graph.output, *made.graph.initializer):
            del value.metadata_props[:]
        onnx.save(made, path)


def train(model, x, y):
    model = model.double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for batch, classes in zip(x, y):
        optimizer.zero_grad()
        batch = batch.double() if batch.is_floating_point() else batch
        loss = nn.functional.cross_entropy(model(batch), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    FOLDER.mkdir(exist_ok=True)
    arrays = {}
    for name, (network, make) in NETWORKS.items():
        torch.manual_seed(7)
        model, x = network(), make()
        # The dynamo exporter writes equal weights once; these are different.
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        # Few different sequences, so that there is something to learn.
        x = x[torch.arange(STEPS) % 4]
        y = torch.randint(0, CLASSES, (4, BATCH))[torch.arange(STEPS) % 4]
        export(name, model, x[0])
        arrays |= {f"{name}/x": x.numpy(), f"{name}/y": y.numpy()}
        arrays[f"{name}/count"] = np.array(sum(p.numel() for p in model.parameters()))
        losses = train(model, x, y)
        arrays[f"{name}/losses"] = np.array(losses)
        print(name, *(f"{loss:.4f}" for loss in losses))
    np.savez(FOLDER / "sequences.npz", **arrays)


main()
