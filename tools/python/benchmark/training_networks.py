"""Measures how other networks are trained, all their layers, beside Keras and PyTorch, in turns.

Usage: tools/benchmark training networks [--rounds 3] [--quick] [--graft PROGRAM] [--no-write]

PyTorch runs with channels first and with channels last, Keras (which has no SqueezeNet) as a
compiled function; both after a few steps of warming up. Graft trains what PyTorch's exporter wrote;
its figure is that of the second epoch. Two threads, Adam, random weights and images. Each turn is a
process of its own.
"""

import json
import os
import subprocess
import sys
import time

from benchmark import training

# Network, extent of images, batch, images of a turn.
ROWS = [
    ("ResNet-50", 64, 32, 320),
    ("ResNet-50", 224, 8, 64),
    ("MobileNetV2", 64, 32, 640),
    ("MobileNetV2", 224, 8, 128),
    ("SqueezeNet", 224, 16, 320),
]
BEGIN = "<!-- Written by tools/benchmark training networks from here … -->"
END = "<!-- … to here (training networks) -->"
WARM_UP_STEPS = 2


def convolution(nn, inputs, outputs, kernel, stride=1, groups=1, activation=None):
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


def pytorch_network(name):
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, body, shortcut=None, activation=None):
            super().__init__()
            self.body, self.shortcut = body, shortcut or nn.Identity()
            self.activation = activation or nn.Identity()

        def forward(self, x):
            return self.activation(self.body(x) + self.shortcut(x))

    class Fire(nn.Module):
        def __init__(self, inputs, squeezed, expanded):
            super().__init__()
            self.squeeze = nn.Sequential(nn.Conv2d(inputs, squeezed, 1), nn.ReLU())
            self.narrow = nn.Sequential(nn.Conv2d(squeezed, expanded, 1), nn.ReLU())
            self.wide = nn.Sequential(nn.Conv2d(squeezed, expanded, 3, padding=1), nn.ReLU())

        def forward(self, x):
            x = self.squeeze(x)
            return torch.cat([self.narrow(x), self.wide(x)], 1)

    layers = []
    if name == "ResNet-50":
        layers += [convolution(nn, 3, 64, 7, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for stage, (width, count) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                body = nn.Sequential(
                    convolution(nn, channels, width, 1, activation=nn.ReLU),
                    convolution(nn, width, width, 3, stride, activation=nn.ReLU),
                    convolution(nn, width, 4 * width, 1),
                )
                shortcut = convolution(nn, channels, 4 * width, 1, stride) if block == 0 else None
                layers.append(Residual(body, shortcut, nn.ReLU()))
                channels = 4 * width
    elif name == "MobileNetV2":
        layers.append(convolution(nn, 3, 32, 3, 2, activation=nn.ReLU6))
        channels = 32
        for factor, outputs, count, first_stride in [
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ]:
            for block in range(count):
                stride, hidden = first_stride if block == 0 else 1, factor * channels
                body = nn.Sequential(
                    *(
                        [convolution(nn, channels, hidden, 1, activation=nn.ReLU6)]
                        if factor > 1
                        else []
                    ),
                    convolution(nn, hidden, hidden, 3, stride, hidden, nn.ReLU6),
                    convolution(nn, hidden, outputs, 1),
                )
                layers.append(Residual(body) if stride == 1 and channels == outputs else body)
                channels = outputs
        layers.append(convolution(nn, channels, 1280, 1, activation=nn.ReLU6))
        channels = 1280
    else:
        layers += [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)]
        channels = 64
        for squeezed, expanded, pools in [
            (16, 64, 0),
            (16, 64, 1),
            (32, 128, 0),
            (32, 128, 1),
            (48, 192, 0),
            (48, 192, 0),
            (64, 256, 0),
            (64, 256, 0),
        ]:
            layers.append(Fire(channels, squeezed, expanded))
            channels = 2 * expanded
            if pools:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


def export(name, path):
    import torch

    torch.manual_seed(1)
    model = pytorch_network(name).eval()
    torch.onnx.export(
        model,
        torch.zeros(1, 3, 224, 224),
        path,
        opset_version=17,
        dynamo=False,
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {0: "N"}, "y": {0: "N"}},
    )


def pytorch_turn(name, size, batch, count, channels_last):
    import torch
    from torch import nn

    torch.set_num_threads(training.THREADS)
    torch.manual_seed(1)
    order = torch.channels_last if channels_last else torch.contiguous_format
    model = pytorch_network(name).train().to(memory_format=order)
    optimizer = torch.optim.Adam(model.parameters(), 1e-6)
    images = torch.rand(batch, 3, size, size).contiguous(memory_format=order)
    labels = torch.randint(0, 2, (batch,))

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step, count // batch


def keras_turn(name, size, batch, count):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(training.THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(training.THREADS)
    make = {
        "ResNet-50": keras.applications.ResNet50,
        "MobileNetV2": keras.applications.MobileNetV2,
    }[name]
    trunk = make(weights=None, include_top=False, input_shape=(size, size, 3), pooling="avg")
    model = keras.Sequential([trunk, keras.layers.Dense(2)])
    model.compile(
        keras.optimizers.Adam(1e-6), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    generator = np.random.default_rng(1)
    images = generator.random((count, size, size, 3), dtype=np.float32)
    labels = generator.integers(0, 2, count)
    # The first call compiles.
    model.fit(
        images[: WARM_UP_STEPS * batch],
        labels[: WARM_UP_STEPS * batch],
        batch_size=batch,
        verbose=0,
    )
    return lambda: model.fit(images, labels, batch_size=batch, verbose=0), 1


def turn(peer, name, *numbers):
    """In the process of a turn: prints images a second."""
    size, batch, count = map(int, numbers)
    if peer == "Keras":
        step, steps = keras_turn(name, size, batch, count)
    else:
        step, steps = pytorch_turn(name, size, batch, count, peer.endswith("last"))
        for _ in range(WARM_UP_STEPS):
            step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    print(count / (time.perf_counter() - start))


def peer_turn(peer, row):
    command = [sys.executable, "-W", "ignore", "-m", "benchmark.training_networks", "--turn", peer]
    result = subprocess.run(command + [str(value) for value in row], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip().splitlines()[-1])
    return float(result.stdout.strip().splitlines()[-1])


def graft_turn(program, folder, row, number):
    name, size, batch, count = row
    network, images = (
        os.path.join(folder, f"{name}.onnx"),
        os.path.join(folder, f"{size}x{count}.npz"),
    )
    if not os.path.exists(network):
        export(name, network)
    if not os.path.exists(images):
        training.write_images(images, size, count)
    output = os.path.join(folder, f"run-{name}-{size}-{number}")
    training.peak_megabytes(
        [
            program,
            "finetune",
            images,
            "--model",
            network,
            "--image-size",
            str(size),
            "--preprocess",
            "unit",
            "--head",
            "dense(classes)",
            "--split",
            "100,0",
            "--batch-size",
            str(batch),
            "--epochs",
            "2",
            "--unfreeze",
            "all",
            "--learning-rate",
            "1e-6",
            "--threads",
            str(training.THREADS),
            "--no-cache",
            "--output",
            output,
        ]
    )
    with open(os.path.join(output, "log.jsonl")) as log:
        return json.loads(log.readlines()[-1])["images_per_second"]


def measure(program, folder, rounds):
    columns = ["Graft", "Keras", "PyTorch", "PyTorch, channels last"]
    turns = {
        row: {name: [] for name in columns if name != "Keras" or row[0] != "SqueezeNet"}
        for row in ROWS
    }

    def take(name, row, index):
        return {
            "speed": graft_turn(program, folder, row, index)
            if name == "Graft"
            else peer_turn(name, row)
        }

    training.take_turns(rounds, turns, lambda row: f"{row[0]}, {row[1]}x{row[1]}", take)
    return columns, turns


def table(columns, turns, description, rounds):
    lines = [
        training.heading(description, rounds),
        "",
        f"| all layers | {' | '.join(columns)} | to the best peer |",
        f"| --- | {'---: | ' * len(columns)}---: |",
    ]
    for (name, size, batch, _), found in turns.items():
        speeds = [training.median(found.get(column, []), "speed") for column in columns]
        best = max([speed for speed in speeds[1:] if speed is not None], default=None)
        cells = ["–" if speed is None else f"{speed:.1f} /s" for speed in speeds]
        ratio = "–" if best is None else f"{speeds[0] / best:.2f} times"
        lines.append(f"| {name}, {size}x{size}, batch {batch} | {' | '.join(cells)} | {ratio} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--turn"]:
        turn(*sys.argv[2:])
    else:
        training.run(__doc__, "tools/benchmark training networks", measure, table, BEGIN, END)
