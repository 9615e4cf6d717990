"""Compares quantized networks with onnxruntime and the reference evaluator.

Networks have random weights and are quantized here, by onnxruntime's quantizers: static in both
formats and dynamic, by tensor and by channel. `--optimize off` must agree with onnxruntime's single
nodes, and what runs in integers must stay within one step of that.
"""

import itertools
import logging
import os
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
from interop import graft, main
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

logging.disable(logging.WARNING)


class Builder:
    """Nodes and initializers of a model, with seeded random weights."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.initializers = []
        self.inputs = []

    def constant(self, value):
        name = f"constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weights(self, *shape):
        scale = 1 / np.sqrt(max(1, np.prod(shape[1:])))
        return self.constant(self.random.normal(0, scale, shape).astype(np.float32))

    def add(self, kind, inputs, outputs=1, **attributes):
        names = [f"value{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def input(self, name, shape, kind=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def model(self, *outputs, opset=17):
        values = [
            helper.make_tensor_value_info(name, kind, None)
            for name, kind in [
                o if isinstance(o, tuple) else (o, TensorProto.FLOAT) for o in outputs
            ]
        ]
        graph = helper.make_graph(self.nodes, "model", self.inputs, values, self.initializers)
        version = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=version, ir_version=10)


def convolutional(seed):
    """Windows, groups, pools, a residual, a gate and two dense layers."""
    b = Builder(seed)
    x = b.input("x", [2, 3, 18, 18])
    first = b.add("Conv", [x, b.weights(16, 3, 3, 3), b.weights(16)], pads=[1, 1, 1, 1])
    first = b.add("Relu", [first])
    pooled = b.add("MaxPool", [first], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    deep = b.add("Conv", [pooled, b.weights(16, 1, 3, 3)], pads=[1, 1, 1, 1], group=16)
    bounds = [b.constant(np.float32(0)), b.constant(np.float32(6))]
    deep = b.add("Clip", [deep, *bounds])
    total = b.add("Add", [deep, pooled])
    gated = b.add("Mul", [total, b.add("Sigmoid", [total])])
    joined = b.add("Concat", [gated, pooled], axis=1)
    joined = b.add("AveragePool", [joined], kernel_shape=[2, 2], strides=[2, 2])
    joined = b.add("LeakyRelu", [joined], alpha=0.1)
    mean = b.add("Flatten", [b.add("GlobalAveragePool", [joined])])
    hidden = b.add("Gemm", [mean, b.weights(20, 32), b.weights(20)], transB=1)
    hidden = b.add("Relu", [hidden])
    result = b.add("MatMul", [hidden, b.weights(20, 8)])
    result = b.add("Add", [result, b.weights(8)])
    return b.model(result)


def strided(seed):
    """One and three axes, dilated and grouped, with an activation that is no bound."""
    b = Builder(seed)
    x = b.input("x", [1, 8, 40])
    value = b.add("Conv", [x, b.weights(12, 4, 3)], group=2, dilations=[2], strides=[2])
    value = b.add("HardSwish", [value])
    value = b.add("Conv", [value, b.weights(6, 12, 1), b.weights(6)])
    value = b.add("Tanh", [value])
    value = b.add("Reshape", [value, b.constant(np.array([1, 2, 3, 6, 3], np.int64))])
    value = b.add("Conv", [value, b.weights(5, 2, 2, 3, 1)], pads=[1, 0, 0, 0, 1, 0])
    value = b.add("Transpose", [value], perm=[0, 2, 1, 3, 4])
    return b.model(value)


def transformer(seed):
    """A block with attention: products of two values, Softmax and LayerNormalization stay apart."""
    b = Builder(seed)
    width, heads, length = 32, 4, 10
    x = b.input("x", [2, length, width])

    def linear(value, rows, columns):
        product = b.add("MatMul", [value, b.weights(rows, columns)])
        return b.add("Add", [product, b.weights(columns)])

    def split(value, perm):
        shape = b.constant(np.array([2, length, heads, width // heads], np.int64))
        return b.add("Transpose", [b.add("Reshape", [value, shape])], perm=perm)

    query, key, value = (
        split(linear(x, width, width), perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    )
    scores = b.add("MatMul", [query, key])
    scores = b.add("Mul", [scores, b.constant(np.float32(1 / np.sqrt(width // heads)))])
    mixed = b.add("MatMul", [b.add("Softmax", [scores], axis=-1), value])
    mixed = b.add("Transpose", [mixed], perm=[0, 2, 1, 3])
    mixed = b.add("Reshape", [mixed, b.constant(np.array([2, length, width], np.int64))])
    total = b.add("Add", [linear(mixed, width, width), x])
    scale = b.constant(np.ones(width, np.float32))
    total = b.add("LayerNormalization", [total, scale, b.weights(width)], axis=-1)
    hidden = b.add("Relu", [linear(total, width, 64)])
    return b.model(b.add("Add", [linear(hidden, 64, width), total]))


def embedding(seed):
    """A table that is looked up, and a product with weights."""
    b = Builder(seed)
    i = b.input("x", [3, 7], TensorProto.INT64)
    rows = b.add("Gather", [b.weights(50, 24), i])
    return b.model(b.add("Relu", [b.add("MatMul", [rows, b.weights(24, 16)])]))


NETWORKS = [convolutional, strided, transformer]
TYPES = [
    (QuantType.QUInt8, QuantType.QInt8),
    (QuantType.QInt8, QuantType.QInt8),
    (QuantType.QUInt8, QuantType.QUInt8),
]


def random_inputs(model, seed):
    random = np.random.default_rng(seed)
    inputs = {}
    for value in model.graph.input:
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == TensorProto.INT64:
            inputs[value.name] = random.integers(0, 50, shape)
        else:
            inputs[value.name] = random.normal(0, 1, shape).astype(np.float32)
    return inputs


class Samples(CalibrationDataReader):
    def __init__(self, model):
        self.samples = iter([random_inputs(model, seed) for seed in range(100, 106)])

    def get_next(self):
        return next(self.samples, None)


def run_graft(path, inputs, *options):
    """Outputs of `graft run` by name."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["run", path, "--output", os.path.join(folder, "y.npz"), *options]
        for index, (name, value) in enumerate(inputs.items()):
            file = os.path.join(folder, f"input{index}.npy")
            np.save(file, value)
            words += ["--input", f"{name}={file}"]
        graft(*words)
        with np.load(os.path.join(folder, "y.npz")) as outputs:
            return {name: outputs[name] for name in outputs.files}


def run_onnxruntime(path, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def run_reference(model, inputs):
    names = [output.name for output in model.graph.output]
    # It has DequantizeLinear from opset 19 on.
    if model.opset_import[0].version < 19:
        model = onnx.version_converter.convert_version(model, 21)
    return dict(zip(names, ReferenceEvaluator(model).run(None, inputs)))


def run_peer(path, inputs):
    """onnxruntime only where the reference evaluator lacks operators: on processors without VNNI,
    its sums of products of bytes saturate.
    """
    model = onnx.load(path)
    if any(node.domain == "com.microsoft" for node in model.graph.node):
        return run_onnxruntime(path, inputs)
    return run_reference(model, inputs)


def last_step(model):
    """The largest scale of the values that the outputs are made of."""
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    names = {output.name for output in model.graph.output}
    for node in model.graph.node:
        if names & set(node.output) and node.op_type == "DequantizeLinear":
            return float(np.max(constants[node.input[1]]))
    return None


class Quantizers(unittest.TestCase):
    """Networks that onnxruntime's quantizers made."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="graft-quantized-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def check(self, path, model, steps=3):
        """Outputs within some steps of a peer's, in integers and as single nodes.

        A tie that rounding errors of floats decide is one step, in each layer; onnxruntime and the
        reference evaluator differ by three of a network's last steps.
        """
        quantized = onnx.load(path)
        step = last_step(quantized)
        for seed in range(2):
            inputs = random_inputs(model, seed)
            peer = run_peer(path, inputs)
            for options in [[], ["--optimize", "off"]]:
                results = run_graft(path, inputs, *options)
                for name, expected in peer.items():
                    self.assertEqual(results[name].shape, expected.shape)
                    limit = step * steps * 1.001 if step else 1e-4 * np.abs(expected).max()
                    difference = np.abs(results[name] - expected)
                    self.assertLessEqual(difference.max(), limit, f"{options}")
                    # Most are equal: a step is for ties that rounding errors of floats decide.
                    if step:
                        self.assertLess((difference > 0.5 * step).mean(), 0.2)

    def check_static(self, quant_format, networks=NETWORKS, types=TYPES, **options):
        for network, per_channel, (activations, weights) in itertools.product(
            networks, [False, True], types
        ):
            name = f"{network.__name__}-{per_channel}-{activations}-{weights}"
            with self.subTest(name):
                model = network(seed=7)
                onnx.save(model, self.path("float.onnx"))
                quantize_static(
                    self.path("float.onnx"),
                    self.path("quantized.onnx"),
                    Samples(model),
                    quant_format=quant_format,
                    per_channel=per_channel,
                    activation_type=activations,
                    weight_type=weights,
                    **options,
                )
                self.check(self.path("quantized.onnx"), model)

    def test_static_quantize_and_dequantize(self):
        self.check_static(QuantFormat.QDQ)

    def test_static_operators(self):
        self.check_static(QuantFormat.QOperator, networks=[convolutional, strided])

    def test_static_of_sixteen_bits(self):
        """Activations of 16 bits are not computed in integers."""
        types = [(QuantType.QUInt16, QuantType.QInt8), (QuantType.QInt16, QuantType.QInt8)]
        self.check_static(
            QuantFormat.QDQ,
            networks=[convolutional],
            types=types,
            extra_options={"UseQDQContribOps": False},
        )

    def test_integers_run(self):
        """The operators that take the place of a quantized network's."""
        model = convolutional(seed=3)
        onnx.save(model, self.path("float.onnx"))
        quantize_static(
            self.path("float.onnx"),
            self.path("quantized.onnx"),
            Samples(model),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
        )
        trace = self.path("trace.json")
        profile = graft(
            "benchmark", self.path("quantized.onnx"), "--runs", 1, "--profile", trace
        ).stdout
        for kind in ["QuantizedConv", "QuantizedGemm", "QuantizedBinary", "QuantizedLookup"]:
            self.assertIn(kind, profile)

    def test_dynamic(self):
        for network, per_channel, weights in itertools.product(
            [*NETWORKS, embedding], [False, True], [QuantType.QInt8, QuantType.QUInt8]
        ):
            with self.subTest(f"{network.__name__}-{per_channel}-{weights}"):
                model = network(seed=5)
                onnx.save(model, self.path("float.onnx"))
                quantize_dynamic(
                    self.path("float.onnx"),
                    self.path("quantized.onnx"),
                    weight_type=weights,
                    per_channel=per_channel,
                )
                self.check_dynamic(self.path("quantized.onnx"), model)

    def check_dynamic(self, path, model):
        """Scales are computed, so that a rounding error may move whole values by a step."""
        for seed in range(2):
            inputs = random_inputs(model, seed)
            for name, expected in run_peer(path, inputs).items():
                for options in [[], ["--optimize", "off"]]:
                    result = run_graft(path, inputs, *options)[name]
                    difference = np.abs(result - expected)
                    self.assertLess(difference.max(), 0.02 * np.abs(expected).max())
                    self.assertLess(np.median(difference), 1e-5 * np.abs(expected).max())


class Operators(unittest.TestCase):
    """Single operators with random operands, to the bit."""

    def check(self, builder, *outputs, opset, inputs, peers, tolerance=0):
        model = builder.model(*outputs, opset=opset)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            onnx.save(model, path)
            results = run_graft(path, inputs)
            references = []
            if "onnxruntime" in peers:
                references.append(run_onnxruntime(path, inputs))
            if "reference" in peers:
                references.append(run_reference(model, inputs))
        for reference in references:
            for name, expected in reference.items():
                result = results[name]
                self.assertEqual(result.shape, expected.shape)
                difference = np.abs(result.astype(np.float64) - expected.astype(np.float64))
                self.assertLessEqual(difference.max(initial=0), tolerance, name)

    def test_quantize_and_dequantize(self):
        random = np.random.default_rng(1)
        b = Builder(1)
        x = b.input("x", [4, 6, 10])
        value = random.normal(0, 40, (4, 6, 10)).astype(np.float32)
        # Ties, and what is beyond all integers
        value[0] = np.round(value[0]) + 0.5
        value[1, 0, :4] = [1e6, -1e6, 1e8, -1e8]
        outputs = []
        for kind, np_type in [
            (TensorProto.UINT8, np.uint8),
            (TensorProto.INT8, np.int8),
            (TensorProto.UINT16, np.uint16),
            (TensorProto.INT16, np.int16),
        ]:
            info = np.iinfo(np_type)
            for shape, attributes in [
                ([], {}),
                ([6], {"axis": 1}),
                ([10], {"axis": -1}),
                ([4, 2, 10], {"axis": 1, "block_size": 3}),
                ([4, 6, 3], {"axis": 2, "block_size": 4}),
            ]:
                scale = random.choice(np.float32([0.5, 1, 0.37, 2]), shape)
                zero = random.integers(info.min, info.max + 1, shape).astype(np_type)
                parameters = [b.constant(np.float32(scale)), b.constant(zero.astype(np_type))]
                quantized = b.add("QuantizeLinear", [x, *parameters], **attributes)
                outputs.append((quantized, kind))
                outputs.append(b.add("DequantizeLinear", [quantized, *parameters], **attributes))
        self.check(b, *outputs, opset=21, inputs={"x": value}, peers=["onnxruntime"])
        # The reference evaluator converts what is beyond an int32 as the processor does.
        value[1, 0, :4] = [999, -999, 0, 1]
        self.check(b, *outputs, opset=21, inputs={"x": value}, peers=["reference"])

    def test_dynamic_quantization(self):
        for number, values in enumerate([(-3, 2), (0.5, 4), (-9, -1), (0, 0)]):
            b = Builder(number)
            x = b.input("x", [50, 7])
            y, scale, zero = b.add("DynamicQuantizeLinear", [x], outputs=3)
            value = b.random.uniform(*values, (50, 7)).astype(np.float32)
            peers = ["reference"] if values == (0, 0) else ["reference", "onnxruntime"]
            self.check(
                b,
                (y, TensorProto.UINT8),
                scale,
                (zero, TensorProto.UINT8),
                opset=13,
                inputs={"x": value},
                peers=peers,
            )

    def test_integer_products(self):
        for number, (left, right) in enumerate(itertools.product([np.uint8, np.int8], repeat=2)):
            b = Builder(number)

            def numbers(kind, *shape):
                info = np.iinfo(kind)
                return b.random.integers(info.min, info.max + 1, shape).astype(kind)

            outputs = []
            kinds = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}
            x = b.input("x", [2, 5, 33], kinds[left])
            w = b.constant(numbers(right, 33, 19))
            zeros = [b.constant(numbers(left)), b.constant(numbers(right))]
            outputs.append((b.add("MatMulInteger", [x, w, *zeros]), TensorProto.INT32))
            image = b.input("image", [1, 6, 9, 8], kinds[left])
            for group, attributes in [
                (1, {}),
                (2, {"pads": [1, 2, 0, 1], "strides": [2, 1]}),
                (6, {"dilations": [2, 1], "auto_pad": "SAME_UPPER"}),
            ]:
                kernel = b.constant(numbers(right, 6, 6 // group, 3, 3))
                outputs.append(
                    (
                        b.add("ConvInteger", [image, kernel, *zeros], group=group, **attributes),
                        TensorProto.INT32,
                    )
                )
            inputs = {"x": numbers(left, 2, 5, 33), "image": numbers(left, 1, 6, 9, 8)}
            self.check(b, *outputs, opset=13, inputs=inputs, peers=["reference"])

    def test_requantized_products(self):
        """Results are rounded from exact sums; a peer that rounds products of floats may differ."""
        for number, (left, right) in enumerate([(np.uint8, np.int8), (np.int8, np.int8)]):
            b = Builder(10 + number)

            def numbers(kind, *shape):
                info = np.iinfo(kind)
                return b.random.integers(info.min, info.max + 1, shape).astype(kind)

            kinds = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}
            image = b.input("image", [1, 6, 9, 8], kinds[left])
            outputs = []
            for scales, zero in [(np.float32(0.013), right(0)), (None, None)]:
                if scales is None:
                    scales = b.random.uniform(0.01, 0.02, 6).astype(np.float32)
                    zero = np.zeros(6, right)
                for group in [1, 3, 6]:
                    node = b.add(
                        "QLinearConv",
                        [
                            image,
                            b.constant(np.float32(0.02)),
                            b.constant(numbers(left)),
                            b.constant(numbers(right, 6, 6 // group, 3, 3)),
                            b.constant(scales),
                            b.constant(zero),
                            b.constant(np.float32(0.4)),
                            b.constant(left(16)),
                            b.constant(b.random.integers(-4000, 4000, 6).astype(np.int32)),
                        ],
                        group=group,
                        pads=[1, 1, 1, 1],
                    )
                    outputs.append((node, kinds[left]))
            inputs = {"image": numbers(left, 1, 6, 9, 8)}
            self.check(b, *outputs, opset=13, inputs=inputs, peers=["reference"])


if __name__ == "__main__":
    main(sys.modules["__main__"])
