"""Writes a network as Keras exports it, pictures with channels last, and how Keras trains it, for the tests of GraftTests.

    python tools/python/keras_exported_network.py

Needs tensorflow-cpu and tf2onnx. Everything is seeded.

    keras_exported.onnx  [N, 12, 10, 3] to probabilities [N, 3]: convolutions, a depthwise one with strides, a residual, pooling
    keras_exported.npz   x [2, 16, 12, 10, 3] and y [2, 16], the batches; outputs [16, 3] of the first one; losses [6] of steps of
                         stochastic gradient descent with momentum 0.9 and learning rate 0.05 on them in turn
"""

from pathlib import Path

import keras
import numpy as np

FOLDER = Path(__file__).parents[2] / "Tests" / "GraftTests" / "Fixtures"


def network():
    layers = keras.layers
    # Biases of zero would be left out of the file.
    bias = {"bias_initializer": "random_uniform"}
    inputs = keras.Input((12, 10, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="first", **bias)(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise", **bias)(x)
    x = layers.ReLU(6.0, name="relu6")(x)
    y = layers.Conv2D(16, 1, name="pointwise", **bias)(x)
    x = layers.Add(name="residual")([x, keras.activations.swish(y)])
    x = layers.MaxPooling2D(2, padding="same", name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    outputs = layers.Dense(3, activation="softmax", name="classes", **bias)(x)
    return keras.Model(inputs, outputs)


def main():
    keras.utils.set_random_seed(4)
    model = network()
    random = np.random.default_rng(4)
    y = random.integers(0, 3, (2, 16))
    x = random.random((2, 16, 12, 10, 3), np.float32) + y[:, :, None, None, None].astype(np.float32) * 0.2
    outputs = model.predict(x[0], verbose=0)
    model.export(FOLDER / "keras_exported.onnx", format="onnx", verbose=False)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy", jit_compile=False)
    losses = []
    for step in range(6):
        # What is reported are means since the last reset.
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x[step % 2], y[step % 2])))
    np.savez(
        FOLDER / "keras_exported.npz", x=x, y=y.astype(np.int64), outputs=outputs, losses=np.array(losses, np.float32))  # fmt: skip


if __name__ == "__main__":
    main()
