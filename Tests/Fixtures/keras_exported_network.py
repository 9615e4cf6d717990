"""Writes networks as Keras exports them, images with channels last, and how Keras trains them, for
the tests of GraftTests.

    python Tests/Fixtures/keras_exported_network.py

Needs tensorflow-cpu and tf2onnx. Everything is seeded.

    keras_exported.onnx    [N, 12, 10, 3] to probabilities [N, 3]: convolutions, a depthwise one
                           with strides, a residual, pooling
    keras_normalized.onnx  likewise: a block of ConvNeXt, whose normalizations and scales are
                           written as several nodes
    NAME.npz               x [2, 16, 12, 10, 3] and y [2, 16], the batches; outputs [16, 3] of
                           the first one; losses [6] of steps of stochastic gradient descent with
                           momentum 0.9 and learning rate 0.05 on them in turn
"""

from pathlib import Path

import keras
import numpy as np

FOLDER = Path(__file__).parents[2] / "Tests" / "GraftTests" / "Fixtures"
# Biases of zero would be left out of the file.
BIAS = {"bias_initializer": "random_uniform"}


def convolutional():
    layers = keras.layers
    inputs = keras.Input((12, 10, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="first", **BIAS)(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise", **BIAS)(x)
    x = layers.ReLU(6.0, name="relu6")(x)
    y = layers.Conv2D(16, 1, name="pointwise", **BIAS)(x)
    x = layers.Add(name="residual")([x, keras.activations.swish(y)])
    x = layers.MaxPooling2D(2, padding="same", name="pool")(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    outputs = layers.Dense(3, activation="softmax", name="classes", **BIAS)(x)
    return keras.Model(inputs, outputs)


class LayerScale(keras.layers.Layer):
    """A factor for each channel (ConvNeXt, https://arxiv.org/abs/2201.03545)."""

    def build(self, shape):
        self.gamma = self.add_weight(
            shape=(shape[-1],), initializer=uniform(0.3, 0.7), name="gamma"
        )

    def call(self, inputs):
        return inputs * self.gamma


def uniform(low, high):
    return keras.initializers.RandomUniform(low, high)


def normalization(name):
    # Ones and zeros would be left out of the file.
    return keras.layers.LayerNormalization(
        epsilon=1e-3,
        gamma_initializer=uniform(0.5, 1.5),
        beta_initializer=uniform(-0.2, 0.2),
        name=name,
    )


def gelu(x):
    # ONNX has no Erfc, which the exact form is made of.
    return keras.activations.gelu(x, approximate=True)


def normalized():
    layers = keras.layers
    inputs = keras.Input((12, 10, 3), name="image")
    # Layers that prepare images are not trained.
    x = layers.Rescaling(scale=[2.0, 2.5, 3.0], offset=[-1.0, -0.9, -0.8])(inputs)
    x = layers.Conv2D(8, 2, strides=2, name="stem", **BIAS)(x)
    x = normalization("stem_norm")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise", **BIAS)(x)
    y = normalization("norm")(y)
    y = layers.Dense(16, activation=gelu, name="wide", **BIAS)(y)
    y = layers.Dense(8, name="narrow", **BIAS)(y)
    y = LayerScale(name="layer_scale")(y)
    x = layers.Add(name="residual")([x, y])
    x = layers.GlobalAveragePooling2D(name="features")(x)
    x = normalization("head_norm")(x)
    outputs = layers.Dense(3, activation="softmax", name="classes", **BIAS)(x)
    return keras.Model(inputs, outputs)


def write(name, make):
    keras.utils.set_random_seed(4)
    model = make()
    random = np.random.default_rng(4)
    y = random.integers(0, 3, (2, 16))
    x = (
        random.random((2, 16, 12, 10, 3), np.float32)
        + y[:, :, None, None, None].astype(np.float32) * 0.2
    )
    outputs = model.predict(x[0], verbose=0)
    model.export(FOLDER / f"{name}.onnx", format="onnx", verbose=False)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    losses = []
    for step in range(6):
        # Reported values are means since the last reset.
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x[step % 2], y[step % 2])))
    np.savez(
        FOLDER / f"{name}.npz",
        x=x,
        y=y.astype(np.int64),
        outputs=outputs,
        losses=np.array(losses, np.float32),
    )


if __name__ == "__main__":
    write("keras_exported", convolutional)
    write("keras_normalized", normalized)
