"""Compares quantized networks with NumPy and onnxruntime.

Networks have random weights and are quantized here, by onnxruntime's quantizers: static in both
formats and dynamic, by tensor and by channel. With `--optimize off`, each node must give what NumPy
gives for the same inputs, and all integers to the bit. By default, what is between two quantized
values must give the same for the same inputs, except where a float that approximates a sum of
products is at a tie.
"""

import itertools
import logging
import os
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
import quantized_nodes
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
    return dict(zip(names, ReferenceEvaluator(model).run(None, inputs)))


# The largest error of a node's floats, as a part of its largest result
FLOAT_ERROR = 1e-6
# The same of a chain, as a part of all steps of a quantized value
CHAIN_ERROR = 2**-19
PRODUCTS = ["Conv", "Gemm", "MatMul", "QGemm"]


class Checks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="graft-quantized-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_model(self, model, inputs, *options):
        onnx.save(model, self.path("run.onnx"))
        return run_graft(self.path("run.onnx"), inputs, *options)

    def check_nodes(self, model, inputs):
        """With `--optimize off`, each node gives what NumPy gives for its inputs.

        Returns the results of the model.
        """
        types = quantized_nodes.value_types(model)
        names = quantized_nodes.results_of(model)
        exposed = quantized_nodes.exposing(model, {name: types[name] for name in sorted(names)})
        results = self.run_model(exposed, inputs, "--optimize", "off")
        values = {**quantized_nodes.constants(model), **inputs, **results}
        for node in model.graph.node:
            limit = 0 if node.op_type in quantized_nodes.INTEGERS else FLOAT_ERROR
            if node.op_type in quantized_nodes.QUANTIZED:
                limit = 256 * CHAIN_ERROR
            self.assertLessEqual(quantized_nodes.error(node, values), limit, node)
        return results

    def check_chains(self, model, inputs, asks_onnxruntime=True):
        """By default, each quantized value is what the nodes give alone, in Graft with `--optimize
        off` and in onnxruntime, for the same quantized inputs.

        Returns the results of the model.
        """
        types = quantized_nodes.computed_bytes(model)
        fused = self.run_model(quantized_nodes.exposing(model, types), inputs)
        alone = quantized_nodes.cut(model)
        given = {quantized_nodes.given(name): fused[name] for name in types}
        feeds = {i.name: {**inputs, **given}[i.name] for i in alone.graph.input}
        single = self.run_model(alone, feeds, "--optimize", "off")
        values = {**quantized_nodes.constants(model), **feeds, **single}
        peers = [single]
        if asks_onnxruntime:
            onnx.save(alone, self.path("peer.onnx"))
            peers.append(run_onnxruntime(self.path("peer.onnx"), feeds))
        for node in alone.graph.node:
            name = node.output[0]
            if name not in types:
                continue
            for peer in peers:
                self.compare(node, fused[name], peer[name], values)
            # The nodes alone are the same to the bit, but for sums of products.
            if fused[name].itemsize == 1 and not quantized_nodes.chain(alone, node) & {*PRODUCTS}:
                np.testing.assert_array_equal(fused[name], single[name], str(node))
        results = self.run_model(model, inputs)
        for name, value in results.items():
            np.testing.assert_array_equal(value, fused[name], name)
        return results

    def compare(self, node, results, expected, values):
        """Integers are equal, but for one step at ties."""
        self.assertEqual(results.shape, expected.shape)
        self.assertEqual(results.dtype, expected.dtype)
        steps = np.abs(results.astype(np.int64) - expected.astype(np.int64))
        if not steps.any():
            return
        self.assertEqual(steps.max(), 1, node)
        exact = quantized_nodes.quotients(node, values)
        self.assertIsNotNone(exact, node)
        distance = np.abs(exact - np.floor(exact) - 0.5)[steps > 0]
        self.assertLess(distance.max(), 256**results.itemsize * CHAIN_ERROR, node)


class Quantizers(Checks):
    """Networks that onnxruntime's quantizers made."""

    def check_static(self, quant_format, networks=NETWORKS, types=TYPES, **options):
        differences = []
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
                    # Where processors lack VNNI, sums of onnxruntime saturate with all bits.
                    reduce_range=quant_format == QuantFormat.QOperator,
                    **options,
                )
                quantized = onnx.load(self.path("quantized.onnx"))
                for seed in range(2):
                    inputs = random_inputs(model, seed)
                    exact = self.check_nodes(quantized, inputs)
                    for output, result in self.check_chains(quantized, inputs).items():
                        differences.append((result != exact[output]).ravel())
        return np.concatenate(differences).mean()

    def test_static_quantize_and_dequantize(self):
        """Of the final results, few differ: a step somewhere before may become several."""
        self.assertLess(self.check_static(QuantFormat.QDQ), 0.01)

    def test_static_operators(self):
        networks = [convolutional, strided]
        self.assertLess(self.check_static(QuantFormat.QOperator, networks=networks), 0.01)

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
        for kind in [
            "QuantizedAveragePool",
            "QuantizedBinary",
            "QuantizedConv",
            "QuantizedGemm",
            "QuantizedLookup",
            "QuantizedMaxPool",
        ]:
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
                    reduce_range=True,
                )
                self.check_dynamic(self.path("quantized.onnx"), model)

    def check_dynamic(self, path, model):
        """Scales are computed, so that a rounding error may move whole values by a step."""
        quantized = onnx.load(path)
        for seed in range(2):
            inputs = random_inputs(model, seed)
            exact = self.check_nodes(quantized, inputs)
            fused = run_graft(path, inputs)
            for name, expected in run_onnxruntime(path, inputs).items():
                for result in [exact[name], fused[name]]:
                    difference = np.abs(result - expected)
                    self.assertLess(difference.max(), 0.02 * np.abs(expected).max())
                    self.assertLess(np.median(difference), 1e-5 * np.abs(expected).max())


class ChainBuilder(Builder):
    """Chains from quantized inputs to quantized results, with the values of all of them."""

    def __init__(self, seed):
        super().__init__(seed)
        self.values = {}
        self.feeds = {}
        self.outputs = []

    def constant(self, value):
        name = super().constant(value)
        self.values[name] = np.asarray(value)
        return name

    def add(self, kind, inputs, outputs=1, **attributes):
        name = super().add(kind, inputs, outputs, **attributes)
        node = self.nodes[-1]
        operands = [self.values[i] if i else None for i in inputs]
        function = {**quantized_nodes.INTEGERS, **quantized_nodes.REALS}[kind]
        self.values[name] = np.asarray(function(quantized_nodes.attributes(node), *operands))
        return name

    def numbers(self, kind, *shape):
        info = np.iinfo(kind)
        return self.random.integers(info.min, info.max + 1, shape).astype(kind)

    def zeros(self, kind, shape=(), spread=8):
        """Zero points in the middle of an integer's range, up to a part of it away from there."""
        info = np.iinfo(kind)
        away = (info.max - info.min + 1) // spread if spread else 0
        middle = (info.max + info.min + 1) // 2
        return (middle + self.random.integers(-away, away + 1, shape)).astype(kind)

    def parameters(self, kind):
        """A scale and a zero point."""
        scale = self.random.uniform(1, 4) / 256 ** np.dtype(kind).itemsize
        return [self.constant(np.float32(scale)), self.constant(self.zeros(kind))]

    def operand(self, kind, *shape, parameters=None):
        """A quantized input, dequantized."""
        name = self.input(
            f"x{len(self.inputs)}", shape, helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        )
        self.feeds[name] = self.values[name] = self.numbers(kind, *shape)
        return self.add("DequantizeLinear", [name, *(parameters or self.parameters(kind))])

    def quantized_weights(self, kind, axis, per_channel, *shape, is_symmetric=False):
        """Constants, dequantized."""
        count = [shape[axis]] if per_channel else []
        scale = self.random.uniform(0.5, 2, count) / 128 / np.sqrt(np.prod(shape[1:]))
        zeros = self.zeros(kind, count, spread=0 if is_symmetric else 8)
        inputs = [self.numbers(kind, *shape), np.float32(scale), zeros]
        return self.add("DequantizeLinear", [self.constant(i) for i in inputs], axis=axis)

    def quantize(self, value, kind, parameters=None):
        """Ends a chain: most of its values are within the integers' range."""
        if parameters is None:
            low, high = min(0, self.values[value].min()), max(0, self.values[value].max())
            info = np.iinfo(kind)
            scale = np.float32((high - low) * self.random.uniform(0.8, 1.2) / (info.max - info.min))
            zero = np.clip(np.rint(info.min - low / scale), info.min, info.max).astype(kind)
            parameters = [self.constant(scale), self.constant(zero)]
        tensor_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        self.outputs.append((self.add("QuantizeLinear", [value, *parameters]), tensor_type))


BYTES = [np.uint8, np.int8]
INTEGERS = [np.uint8, np.int8, np.uint16, np.int16]


class Chains(Checks):
    """Every operator that may run in integers, between two quantized values."""

    def check(self, b, opset=21):
        model = b.model(*b.outputs, opset=opset)
        self.check_nodes(model, b.feeds)
        self.check_chains(model, b.feeds)
        for name, _ in b.outputs:
            most = min(8, b.values[name].size)
            self.assertGreaterEqual(len(np.unique(b.values[name])), most // 2, "it says little")

    # Shapes of image and weights, and the attributes of windows
    CONVOLUTIONS = [
        ([2, 5, 11, 9], [24, 5, 3, 3], {"pads": [1, 1, 1, 1]}),
        ([1, 24, 7, 5], [24, 1, 3, 3], {"group": 24, "strides": [2, 2], "pads": [1, 0, 0, 1]}),
        ([1, 12, 6, 7], [9, 4, 2, 1], {"group": 3, "dilations": [2, 1]}),
        ([1, 33, 4, 3], [17, 33, 1, 1], {}),
        ([1, 1, 9, 9], [8, 1, 5, 5], {"strides": [3, 2], "pads": [2, 2, 2, 2]}),
        ([2, 6, 19], [7, 6, 4], {"strides": [3]}),
        ([1, 3, 5, 4, 6], [5, 3, 2, 3, 2], {"pads": [1, 0, 0, 1, 1, 0]}),
    ]

    def bias(self, b, rows, kind, weights, operand):
        """Of floats, or of integers in steps of the products."""
        numbers = b.random.uniform(-0.5, 0.5, rows)
        if kind == "float":
            return [b.constant(np.float32(numbers))]
        if kind == "none":
            return []
        nodes = {node.output[0]: node for node in b.nodes}
        scales = [b.values[nodes[name].input[1]] for name in [operand, weights]]
        scale = np.float32(scales[0] * scales[1])
        steps = np.rint(numbers / scale).astype(np.int32)
        zero = b.constant(np.zeros(scale.shape, np.int32))
        operands = [b.constant(steps), b.constant(scale), zero]
        return [b.add("DequantizeLinear", operands, axis=0)]

    def test_convolutions(self):
        for kind, weight_kind, per_channel in itertools.product(INTEGERS, BYTES, [False, True]):
            with self.subTest(f"{kind.__name__} {weight_kind.__name__} {per_channel}"):
                b = ChainBuilder(1)
                for number, (shape, kernel, attributes) in enumerate(self.CONVOLUTIONS):
                    for bias, activation in [
                        ("none", None),
                        ("integer", "Relu"),
                        ("float", "Clip"),
                    ]:
                        x = b.operand(kind, *shape)
                        w = b.quantized_weights(
                            weight_kind, 0, per_channel, *kernel, is_symmetric=number % 2 == 0
                        )
                        inputs = [x, w, *self.bias(b, kernel[0], bias, w, x)]
                        y = b.add("Conv", inputs, kernel_shape=kernel[2:], **attributes)
                        if activation:
                            high = np.float32(0.7 * b.values[y].max())
                            bounds = [b.constant(np.float32(0)), b.constant(high)]
                            y = b.add(activation, [y, *(bounds if activation == "Clip" else [])])
                        b.quantize(y, kind)
                self.check(b)

    def test_matrix_products(self):
        for kind, weight_kind, per_channel in itertools.product(INTEGERS, BYTES, [False, True]):
            with self.subTest(f"{kind.__name__} {weight_kind.__name__} {per_channel}"):
                b = ChainBuilder(2)
                for rows, depth, columns in [(5, 33, 19), (1, 64, 40), (3, 3, 65)]:
                    for batch in [[], [2], [2, 3]]:
                        x = b.operand(kind, *batch, rows, depth)
                        w = b.quantized_weights(weight_kind, 1, per_channel, depth, columns)
                        b.quantize(b.add("MatMul", [x, w]), kind)
                    x = b.operand(kind, 2, rows, depth)
                    y = b.operand(weight_kind, depth, columns)
                    b.quantize(b.add("MatMul", [x, y]), kind)
                    for bias, activation in [("none", None), ("integer", None), ("float", "Relu")]:
                        x = b.operand(kind, rows, depth)
                        w = b.quantized_weights(
                            weight_kind, 0, per_channel, columns, depth, is_symmetric=True
                        )
                        inputs = [x, w, *self.bias(b, columns, bias, w, x)]
                        y = b.add("Gemm", inputs, transB=1)
                        b.quantize(b.add(activation, [y]) if activation else y, kind)
                self.check(b)

    def test_two_values(self):
        for kind, other in itertools.product(INTEGERS, BYTES):
            with self.subTest(f"{kind.__name__} {other.__name__}"):
                b = ChainBuilder(3)
                for name in ["Add", "Sub", "Mul", "Max", "Min"]:
                    for shape in [[3, 5, 41], [41], [5, 1]]:
                        left, right = b.operand(kind, 3, 5, 41), b.operand(other, *shape)
                        y = b.add(name, [left, right])
                        b.quantize(b.add("Relu", [y]) if len(shape) == 1 else y, kind)
                self.check(b)

    def test_pools(self):
        """With the scale of their input, means are at ties often."""
        for kind, other in itertools.product(INTEGERS, BYTES):
            with self.subTest(f"{kind.__name__} {other.__name__}"):
                b = ChainBuilder(4)
                for keeps_scale, (shape, kernel, attributes) in itertools.product(
                    [False, True],
                    [
                        ([2, 5, 9, 7], [2, 2], {"strides": [2, 2]}),
                        ([1, 40, 9, 8], [3, 3], {"pads": [1, 1, 1, 1], "strides": [2, 1]}),
                        ([1, 3, 21], [4], {"strides": [3], "pads": [2, 1]}),
                        ([1, 3, 4, 5, 6], [2, 1, 2], {"pads": [1, 0, 0, 0, 0, 1]}),
                    ],
                ):
                    for name in ["MaxPool", "AveragePool"]:
                        for counts in [0, 1] if name == "AveragePool" else [None]:
                            parameters = b.parameters(kind)
                            x = b.operand(kind, *shape, parameters=parameters)
                            more = {} if counts is None else {"count_include_pad": counts}
                            y = b.add(name, [x], kernel_shape=kernel, **attributes, **more)
                            if keeps_scale:
                                b.quantize(y, kind, parameters)
                            else:
                                b.quantize(y, other)
                    parameters = b.parameters(kind)
                    x = b.operand(kind, *shape, parameters=parameters)
                    y = b.add("GlobalAveragePool", [x])
                    if keeps_scale:
                        b.quantize(y, kind, parameters)
                    else:
                        b.quantize(y, other)
                self.check(b)

    def test_functions(self):
        for kind, other in itertools.product(INTEGERS, BYTES):
            with self.subTest(f"{kind.__name__} {other.__name__}"):
                b = ChainBuilder(5)

                def operand():
                    return b.operand(kind, 4, 130)

                for name, attributes in [
                    ("Relu", {}),
                    ("LeakyRelu", {"alpha": 0.1}),
                    ("Sigmoid", {}),
                    ("Tanh", {}),
                    ("Softplus", {}),
                    ("HardSwish", {}),
                    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
                    ("Identity", {}),
                ]:
                    b.quantize(b.add(name, [operand()], **attributes), other)
                bounds = [b.constant(np.float32(-0.3)), b.constant(np.float32(0.4))]
                b.quantize(b.add("Clip", [operand(), *bounds]), other)
                x = operand()
                b.quantize(b.add("Mul", [x, b.add("Sigmoid", [x])]), other)
                third = b.constant(np.float32(1 / 3))
                b.quantize(b.add("Tanh", [b.add("Mul", [operand(), third])]), other)
                self.check(b)

    def test_movement(self):
        for kind, other in itertools.product(INTEGERS, BYTES):
            with self.subTest(f"{kind.__name__} {other.__name__}"):
                b = ChainBuilder(6)
                for keeps_scale in [False, True]:

                    def quantize(name, *inputs, **attributes):
                        parameters = b.parameters(kind)
                        x = b.operand(kind, 3, 10, 7, parameters=parameters)
                        constants = [b.constant(np.array(i, np.int64)) for i in inputs]
                        y = b.add(name, [x, *constants], **attributes)
                        if keeps_scale:
                            b.quantize(y, kind, parameters)
                        else:
                            b.quantize(y, other)

                    quantize("Transpose", perm=[1, 2, 0])
                    quantize("Reshape", [7, 0, -1])
                    quantize("Flatten", axis=2)
                    quantize("Gather", [[4, 1], [1, 9]], axis=1)
                    quantize("Slice", [1, 2], [3, 7], [0, 2])
                    parts = [b.operand(k, 2, n, 6) for k, n in [(kind, 3), (other, 1), (kind, 4)]]
                    b.quantize(b.add("Concat", parts, axis=1), other)
                self.check(b)

    def test_ties(self):
        """Scales that are powers of two: floats are exact, and so all ties are the same."""
        for kind, weight_kind in itertools.product(BYTES, repeat=2):
            with self.subTest(f"{kind.__name__} {weight_kind.__name__}"):
                b = ChainBuilder(7)

                def power(exponent, kind=kind):
                    return [b.constant(np.float32(2.0**exponent)), b.constant(kind(31))]

                def weights(*shape):
                    small = b.constant(b.random.integers(0, 9, shape).astype(weight_kind))
                    return b.add("DequantizeLinear", [small, *power(-1, weight_kind)])

                x = b.operand(kind, 2, 16, 9, 9, parameters=power(-3))
                results = [b.add("Conv", [x, weights(8, 16, 3, 3)])]
                x = b.operand(kind, 40, 30, parameters=power(-3))
                results.append(b.add("MatMul", [x, weights(30, 20)]))
                results.append(b.add("Mul", [x, b.operand(kind, 30, parameters=power(-2))]))
                x = b.operand(kind, 1, 40, 8, 8, parameters=power(1))
                results.append(b.add("AveragePool", [x], kernel_shape=[2, 2]))
                results.append(b.add("GlobalAveragePool", [x]))
                for result in results:
                    b.quantize(result, kind, power(np.ceil(np.log2(b.values[result].std() / 64))))
                model = b.model(*b.outputs, opset=21)
                values = {**self.check_nodes(model, b.feeds)}
                for name, result in self.check_chains(model, b.feeds).items():
                    np.testing.assert_array_equal(result, values[name])
                constants = quantized_nodes.constants(model)
                for node in model.graph.node[-len(results) :]:
                    quotients = quantized_nodes.quotients(node, {**constants, **values})
                    self.assertGreater((quotients % 1 == 0.5).sum(), 0)


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
