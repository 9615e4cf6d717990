"""Measures ResNet-50 that onnxruntime has quantized (QDQ) beside its float form, in turns.

Usage: tools/benchmark quantized [--graft PROGRAM] [--rounds 5] [--quick]
"""

import os
import sys

import numpy as np
from onnxruntime import quantization

from benchmark import models
from benchmark.comparison import compare
from benchmark.contenders import Graft
from benchmark.network import Network

KINDS = {
    "uint8": quantization.QuantType.QUInt8,
    "int8": quantization.QuantType.QInt8,
}


# Blocks and channels of the narrow convolutions of ResNet-50's stages.
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def resnet50(path):
    """ResNet-50 with its normalizations folded into the convolutions."""
    network = Network(50)

    def convolution(value, inputs, outputs, size, stride=1, scale=1.0):
        scale *= np.sqrt(2 / (inputs * size * size))
        weights = network.weight(outputs, inputs, size, size, scale=scale)
        bias = network.weight(outputs, scale=0.01)
        pads = [size // 2] * 4
        return network.add("Conv", value, weights, bias, strides=[stride, stride], pads=pads)

    value = network.add("Relu", convolution("input", 3, 64, 7, stride=2))
    value = network.add("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, (blocks, narrow) in enumerate(STAGES):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            inner = network.add("Relu", convolution(value, channels, narrow, 1))
            inner = network.add("Relu", convolution(inner, narrow, narrow, 3, stride))
            # Small branches, so that values keep their size over sixteen sums.
            inner = convolution(inner, narrow, 4 * narrow, 1, scale=0.2)
            if block == 0:
                value = convolution(value, channels, 4 * narrow, 1, stride)
            value = network.add("Relu", network.add("Add", inner, value))
            channels = 4 * narrow
    value = network.add("Flatten", network.add("GlobalAveragePool", value))
    dense = [
        network.weight(channels, 1000, scale=1 / np.sqrt(channels)),
        network.weight(1000, scale=0.1),
    ]
    output = network.add("Gemm", value, *dense)
    return network.save(path, [1, 3, 224, 224], output, [1, 1000])


class Images(quantization.CalibrationDataReader):
    """Two random images."""

    def __init__(self, model):
        name, shape = models.input_of(model, 1)
        self.batches = [{name: models.random_input(shape)}] * 2

    def get_next(self):
        return self.batches.pop() if self.batches else None


def groups(folder, program):
    original = resnet50(os.path.join(folder, "resnet50.onnx"))
    works = {}
    for activations, kind in KINDS.items():
        for per_channel in (True, False):
            model = os.path.join(folder, f"resnet50-{activations}-{per_channel}.onnx")
            quantization.quantize_static(
                original,
                model,
                Images(original),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=per_channel,
                activation_type=kind,
                weight_type=quantization.QuantType.QInt8,
            )
            weights = "a scale per channel" if per_channel else "one scale"
            works[f"ResNet-50, {activations} and int8 weights of {weights}"] = [
                Graft(program, original, label="float"),
                Graft(program, model, label="quantized"),
            ]
    return works


if __name__ == "__main__":
    sys.exit(compare("quantized", __doc__, groups, "int8"))
