"""One turn of training VGG16 with the default head in Keras or PyTorch: prints images a second and
peak memory as JSON.

Usage: python -m benchmark.training_peers keras|pytorch frozen|all SIZE BATCH IMAGES THREADS

Images and weights are random: what they hold does not change the time. A few steps come before the
clock starts.
"""

import json
import os
import sys
import time

WARM_UP_STEPS = 3
BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]


def keras_turn(frozen, size, batch, count, threads):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    trunk = keras.applications.VGG16(
        weights=None, include_top=False, input_shape=(size, size, 3), pooling="max"
    )
    trunk.trainable = not frozen
    inputs = keras.Input((size, size, 3))
    value = trunk(inputs, training=not frozen)
    value = keras.layers.Dropout(0.3)(value)
    value = keras.layers.Dense(128, "relu", kernel_regularizer=keras.regularizers.L2(1e-5))(value)
    model = keras.Model(inputs, keras.layers.Dense(1)(value))
    model.compile(keras.optimizers.Adam(1e-6), keras.losses.BinaryCrossentropy(from_logits=True))
    generator = np.random.default_rng(1)
    images = generator.random((count, size, size, 3), dtype=np.float32)
    labels = generator.integers(0, 2, (count, 1)).astype(np.float32)
    warm = WARM_UP_STEPS * batch
    model.fit(images[:warm], labels[:warm], batch_size=batch, verbose=0)
    start = time.perf_counter()
    model.fit(images, labels, batch_size=batch, verbose=0)
    return time.perf_counter() - start


def pytorch_turn(frozen, size, batch, count, threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    layers, channels = [], 3
    for outputs, convolutions in BLOCKS:
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            channels = outputs
        layers.append(nn.MaxPool2d(2))
    trunk = nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten())
    hidden = nn.Linear(512, 128)
    head = nn.Sequential(nn.Dropout(0.3), hidden, nn.ReLU(), nn.Linear(128, 1))
    trained = list(head.parameters()) + ([] if frozen else list(trunk.parameters()))
    for parameter in trunk.parameters():
        parameter.requires_grad_(not frozen)
    optimizer = torch.optim.Adam(trained, lr=1e-6)
    loss_function = nn.BCEWithLogitsLoss()
    images = torch.rand(count, 3, size, size)
    labels = torch.randint(0, 2, (count, 1)).float()

    def train(first, last):
        for start in range(first, last, batch):
            chosen = slice(start, min(start + batch, last))
            if frozen:
                with torch.no_grad():
                    features = trunk(images[chosen])
            else:
                features = trunk(images[chosen])
            loss = loss_function(head(features), labels[chosen])
            loss = loss + 1e-5 * hidden.weight.square().sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    train(0, WARM_UP_STEPS * batch)
    start = time.perf_counter()
    train(0, count)
    return time.perf_counter() - start


def peak_megabytes():
    """The largest resident memory of this process; getrusage begins with its parent's figure."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main():
    peer, mode = sys.argv[1:3]
    size, batch, count, threads = map(int, sys.argv[3:7])
    turn = {"keras": keras_turn, "pytorch": pytorch_turn}[peer]
    seconds = turn(mode == "frozen", size, batch, count, threads)
    print(json.dumps({"images_per_second": count / seconds, "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    main()
