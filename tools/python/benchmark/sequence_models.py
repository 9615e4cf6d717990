"""Recurrent networks and Transformer encoders of random weights, made on first use."""

import os

import numpy as np

from benchmark.network import Network

# Layers, features, heads, features between the two products of a feed-forward part.
ENCODERS = {"MiniLM": (6, 384, 12, 1536), "BERT-base": (12, 768, 12, 3072)}
STEPS = 100
UNITS = 256
SEQUENCE = 128


def _recurrent_weights(network, gates, inputs, units):
    scale = 1 / np.sqrt(units)
    return [
        network.weight(1, gates * units, inputs, scale=scale),
        network.weight(1, gates * units, units, scale=scale),
        network.weight(1, 2 * gates * units, scale=scale),
    ]


def recurrent(folder, cell, batch):
    """One layer of 256 units on 100 steps of 256 features; GRU as PyTorch exports it."""
    path = os.path.join(folder, f"{cell.lower()}-{batch}.onnx")
    if os.path.exists(path):
        return path
    network = Network(2)
    weights = _recurrent_weights(network, {"LSTM": 4, "GRU": 3}[cell], UNITS, UNITS)
    attributes = {"linear_before_reset": 1} if cell == "GRU" else {}
    output = network.add(cell, "input", *weights, outputs=2, hidden_size=UNITS, **attributes)[0]
    return network.save(path, [STEPS, batch, UNITS], output, [STEPS, 1, batch, UNITS])


def voice_activity(folder):
    """A step of a detector of speech in the manner of Silero's: a short-time spectrum of 640
    samples and convolutions, then one step of an LSTM of 128 units, whose states come in with the
    samples.
    """
    path = os.path.join(folder, "voice-activity.onnx")
    if os.path.exists(path):
        return path
    network = Network(3)
    samples, units = 640, 128
    parts = network.constant(np.array([samples, units, units], np.int64))
    frame, hidden, cell = network.add("Split", "input", parts, outputs=3, axis=1)
    second = network.constant(np.array([1], np.int64))
    frame = network.add("Unsqueeze", frame, second)
    kernel = network.weight(258, 1, 256, scale=1 / 16)
    spectrum = network.add("Conv", frame, kernel, strides=[128])
    real, imaginary = network.add("Split", spectrum, outputs=2, axis=1)
    squares = [network.add("Mul", part, part) for part in (real, imaginary)]
    value, channels = network.add("Sqrt", network.add("Add", *squares)), 129
    for extent, stride in ((128, 1), (64, 2), (64, 2), (128, 1)):
        kernel = network.weight(extent, channels, 3, scale=np.sqrt(2 / (3 * channels)))
        bias = network.weight(extent, scale=0.1)
        value = network.add("Conv", value, kernel, bias, strides=[stride], pads=[1, 1])
        value, channels = network.add("Relu", value), extent
    value = network.add("Transpose", value, perm=[2, 0, 1])
    first = network.constant(np.array([0], np.int64))
    states = [network.add("Unsqueeze", state, first) for state in (hidden, cell)]
    weights = _recurrent_weights(network, 4, units, units)
    _, hidden, _ = network.add("LSTM", value, *weights, "", *states, outputs=3, hidden_size=units)
    value = network.add("Relu", network.add("Squeeze", hidden, first))
    head = [network.weight(units, 1, scale=0.1), network.weight(1, scale=0.1)]
    output = network.add("Sigmoid", network.add("Gemm", value, *head))
    return network.save(path, [1, samples + 2 * units], output, [1, 1])


def _encoder_layer(network, value, width, heads, hidden):
    def linear(value, inputs, outputs):
        product = network.add(
            "MatMul", value, network.weight(inputs, outputs, scale=1 / np.sqrt(inputs))
        )
        return network.add("Add", product, network.weight(outputs, scale=0.02))

    def split_heads(value, permutation):
        shape = network.constant(np.array([1, -1, heads, width // heads], np.int64))
        return network.add("Transpose", network.add("Reshape", value, shape), perm=permutation)

    def normalized(value):
        scale = network.constant(np.ones(width, np.float32))
        bias = network.constant(np.zeros(width, np.float32))
        return network.add("LayerNormalization", value, scale, bias, epsilon=1e-12)

    query, key, content = (linear(value, width, width) for _ in range(3))
    scores = network.add("MatMul", split_heads(query, [0, 2, 1, 3]), split_heads(key, [0, 2, 3, 1]))
    root = network.constant(np.array(np.sqrt(width // heads), np.float32))
    shares = network.add("Softmax", network.add("Div", scores, root), axis=-1)
    context = network.add("MatMul", shares, split_heads(content, [0, 2, 1, 3]))
    context = network.add("Transpose", context, perm=[0, 2, 1, 3])
    context = network.add("Reshape", context, network.constant(np.array([1, -1, width], np.int64)))
    value = normalized(network.add("Add", linear(context, width, width), value))
    inner = linear(value, width, hidden)
    root = network.constant(np.array(np.sqrt(2), np.float32))
    gate = network.add("Erf", network.add("Div", inner, root))
    gate = network.add("Add", gate, network.constant(np.array(1, np.float32)))
    gelu = network.add("Mul", network.add("Mul", inner, gate), network.constant(np.float32(0.5)))
    return normalized(network.add("Add", linear(gelu, hidden, width), value))


def encoder(folder, name):
    """The encoder of a language model behind its embeddings, spelled out as exporters write it."""
    path = os.path.join(folder, f"{name.lower()}-encoder.onnx")
    if os.path.exists(path):
        return path
    layers, width, heads, hidden = ENCODERS[name]
    network, value = Network(4), "input"
    for _ in range(layers):
        value = _encoder_layer(network, value, width, heads, hidden)
    return network.save(path, [1, SEQUENCE, width], value, [1, SEQUENCE, width])
