"""Quantized models node by node, in NumPy: integers exactly, floats in double precision."""

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from onnx import TensorProto, helper, numpy_helper

# Operators whose results have the type of their first input.
MOVERS = ["Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Transpose"]
# The input with the zero point of the result.
ZERO_POINTS = {
    "QGemm": 8,
    "QLinearAdd": 7,
    "QLinearAveragePool": 4,
    "QLinearConcat": 1,
    "QLinearConv": 7,
    "QLinearGlobalAveragePool": 4,
    "QLinearLeakyRelu": 4,
    "QLinearMatMul": 7,
    "QLinearMul": 7,
    "QLinearSigmoid": 4,
    "QLinearSoftmax": 4,
    "QuantizeLinear": 2,
}


def constants(model):
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def attributes(node):
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def value_types(model):
    """The element type of each value."""
    types = {i.name: i.data_type for i in model.graph.initializer}
    types.update({i.name: i.type.tensor_type.elem_type for i in model.graph.input})
    for node in model.graph.node:
        kinds = [TensorProto.FLOAT]
        if node.op_type in ZERO_POINTS:
            kinds = [types[node.input[ZERO_POINTS[node.op_type]]]]
        elif node.op_type in MOVERS:
            kinds = [types[node.input[0]]]
        elif node.op_type == "DynamicQuantizeLinear":
            kinds = [TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8]
        elif node.op_type in ["ConvInteger", "MatMulInteger"]:
            kinds = [TensorProto.INT32]
        elif node.op_type == "Cast":
            kinds = [attributes(node)["to"]]
        types.update(zip(node.output, kinds))
    return types


def computed_bytes(model):
    """What nodes compute as integers that stand for real numbers, with their types."""
    types = value_types(model)
    kinds = [TensorProto.UINT8, TensorProto.INT8, TensorProto.UINT16, TensorProto.INT16]
    return {
        name: types[name]
        for node in model.graph.node
        for name in node.output
        if types[name] in kinds and node.op_type != "DynamicQuantizeLinear"
    }


def exposing(model, types):
    """The model with these values as outputs too."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    known = {output.name for output in model.graph.output}
    result.graph.output.extend(
        helper.make_tensor_value_info(name, kind, None)
        for name, kind in types.items()
        if name not in known
    )
    return result


def given(name):
    return f"{name}_given"


def cut(model):
    """The model with inputs in place of all integers that nodes read, so that no chain reads what
    another one computes. Those integers are outputs, and so is what becomes them.
    """
    types = computed_bytes(model)
    every = value_types(model)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            types.setdefault(node.input[0], every[node.input[0]])
    result = exposing(model, {n: t for n, t in types.items() if n in results_of(model)})
    bytes_ = computed_bytes(model)
    read = set()
    for node in result.graph.node:
        for index, name in enumerate(node.input):
            if name in bytes_:
                node.input[index] = given(name)
                read.add(name)
    result.graph.input.extend(
        helper.make_tensor_value_info(given(name), bytes_[name], None) for name in sorted(read)
    )
    return result


def results_of(model):
    return {name for node in model.graph.node for name in node.output}


def window_results(x, kernel, attributes, fill):
    """Windows of an image [N, C, …], as [N, C, positions…, taps…]."""
    axes = len(kernel)
    strides = attributes.get("strides", [1] * axes)
    dilations = attributes.get("dilations", [1] * axes)
    pads = attributes.get("pads", [0] * 2 * axes)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
    if attributes.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
        totals = [
            max(0, (-(-extent // s) - 1) * s + r - extent)
            for extent, s, r in zip(x.shape[2:], strides, reach)
        ]
        pads = [t // 2 for t in totals] + [t - t // 2 for t in totals]
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:])], constant_values=fill)
    windows = sliding_window_view(x, reach, axis=tuple(range(2, 2 + axes)))
    steps = [slice(None)] * 2
    steps += [slice(None, None, s) for s in strides] + [slice(None, None, d) for d in dilations]
    return windows[tuple(steps)]


def convolution(attributes, x, weights, bias=None):
    groups = attributes.get("group", 1)
    windows = window_results(x, weights.shape[2:], attributes, 0)
    axes = weights.ndim - 2
    channels, rows = weights.shape[1], weights.shape[0] // groups
    taps = list(range(-axes, 0))
    parts = []
    for group in range(groups):
        part = windows[:, group * channels : (group + 1) * channels]
        kernel = weights[group * rows : (group + 1) * rows]
        product = np.tensordot(part, kernel, ([1, *taps], list(range(1, 2 + axes))))
        parts.append(np.moveaxis(product, -1, 1))
    result = np.concatenate(parts, axis=1)
    if bias is not None:
        result = result + bias.reshape(-1, *[1] * axes)
    return result


def average(attributes, x):
    kernel = attributes["kernel_shape"]
    taps = tuple(range(-len(kernel), 0))
    total = window_results(x, kernel, attributes, 0).sum(taps)
    counted = np.ones_like(x)
    if attributes.get("count_include_pad", 0):
        return total / np.prod(kernel)
    return total / window_results(counted, kernel, attributes, 0).sum(taps)


def along(parameter, x, axis):
    """Scales or zero points, one or one per place of an axis, or in blocks."""
    parameter = np.asarray(parameter)
    if parameter.size == 1:
        return parameter.reshape(())
    if parameter.ndim > 1:
        shape = zip(x.shape, parameter.shape)
        block = [-(-extent // count) for extent, count in shape]
        for position, count in enumerate(block):
            parameter = np.repeat(parameter, count, position)
        return parameter[tuple(slice(extent) for extent in x.shape)]
    shape = [1] * x.ndim
    shape[axis] = parameter.size
    return parameter.reshape(shape)


def dequantized(x, scale, zero=None, axis=1):
    """Real numbers of integers, in double precision."""
    zero = 0 if zero is None else along(zero, x, axis).astype(np.int64)
    return (x.astype(np.int64) - zero) * along(scale, x, axis).astype(np.float64)


def saturated(x, zero):
    """Rounded numbers plus the zero point, as integers of its type."""
    info = np.iinfo(zero.dtype)
    return np.clip(np.rint(x) + zero.astype(np.float64), info.min, info.max).astype(zero.dtype)


def quantize(attributes, x, scale, zero):
    """In single precision, as the specification says."""
    axis = attributes.get("axis", 1)
    quotient = x.astype(np.float32) / along(scale, x, axis)
    return saturated(quotient.astype(np.float64), along(zero, x, axis))


def requantized(sums, left, right, scale, zero):
    """The factor is a float; its product with the sum is rounded once."""
    factor = (np.float32(left) * np.asarray(right, np.float32)) / np.float32(scale)
    return saturated(sums.astype(np.float64) * factor.astype(np.float64), zero)


def difference(x, zero):
    return x.astype(np.int64) - np.asarray(zero).astype(np.int64)


def channels_last_parameter(parameter, axes):
    """A parameter of the rows of weights, for results [N, C, …]."""
    parameter = np.asarray(parameter)
    return parameter if parameter.size == 1 else parameter.reshape(-1, *[1] * axes)


def linear_convolution(a, x, xs, xz, w, ws, wz, ys, yz, bias=None):
    rows = w.ndim - 1
    zeros = np.asarray(wz).reshape(-1, *[1] * rows) if np.asarray(wz).size > 1 else wz
    # The padding stands for 0.
    sums = convolution(a, difference(x, xz), difference(w, zeros), bias)
    return requantized(sums, xs, channels_last_parameter(ws, w.ndim - 2), ys, yz)


def linear_product(a, x, xs, xz, w, ws, wz, ys, yz):
    return requantized(difference(x, xz) @ difference(w, wz), xs, ws, ys, yz)


def integer_convolution(a, x, w, xz=0, wz=0):
    return convolution(a, difference(x, xz), difference(w, wz)).astype(np.int32)


def dynamic_quantize(a, x):
    lowest, highest = min(np.float32(0), x.min()), max(np.float32(0), x.max())
    scale = np.float32(highest - lowest) / np.float32(255)
    zero = np.uint8(np.clip(np.rint(-lowest / scale), 0, 255)) if scale else np.uint8(0)
    quotient = x / scale if scale else x
    return saturated(quotient.astype(np.float64), zero), scale, zero


def soft_maximum(a, x):
    shifted = np.exp(x - x.max(a.get("axis", -1), keepdims=True))
    return shifted / shifted.sum(a.get("axis", -1), keepdims=True)


def layer_normalization(a, x, scale, bias):
    centered = x - x.mean(-1, keepdims=True)
    variance = (centered**2).mean(-1, keepdims=True)
    return centered / np.sqrt(variance + a.get("epsilon", 1e-5)) * scale + bias


def gemm(a, x, w, c=0):
    w = w.T if a.get("transB", 0) else w
    return a.get("alpha", 1) * (x @ w) + a.get("beta", 1) * c


def leaky(a, x):
    return np.where(x < 0, x * np.float32(a.get("alpha", 0.01)), x)


def gathered(a, x, indices):
    return np.take(x, indices, a.get("axis", 0))


def reshaped(a, x, shape):
    shape = [x.shape[i] if extent == 0 else extent for i, extent in enumerate(shape)]
    return x.reshape(shape)


def largest(a, x):
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    windows = window_results(x, a["kernel_shape"], a, lowest)
    return windows.max(tuple(range(-len(a["kernel_shape"]), 0)))


def clipped(a, x, low=-np.inf, high=np.inf):
    return np.minimum(np.maximum(x, low), high)


# Results to the bit.
INTEGERS = {
    "QuantizeLinear": quantize,
    "QLinearConv": linear_convolution,
    "QLinearMatMul": linear_product,
    "ConvInteger": integer_convolution,
    "MatMulInteger": lambda a, x, w, xz=0, wz=0: (difference(x, xz) @ difference(w, wz)).astype(
        np.int32
    ),
    "DynamicQuantizeLinear": dynamic_quantize,
    "Gather": gathered,
    "Reshape": reshaped,
    "Transpose": lambda a, x: x.transpose(a["perm"]),
    "Flatten": lambda a, x: x.reshape(int(np.prod(x.shape[: a.get("axis", 1)])), -1),
    "MaxPool": largest,
    "Identity": lambda a, x: x,
    "Slice": lambda a, x, starts, ends, axes: x[
        tuple(
            slice(starts[list(axes).index(i)], ends[list(axes).index(i)])
            if i in axes
            else slice(None)
            for i in range(x.ndim)
        )
    ],
}
# Results to the precision of floats.
REALS = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": average,
    "Cast": lambda a, x: x,
    "Clip": clipped,
    "Concat": lambda a, *x: np.concatenate(x, a["axis"]),
    "Conv": convolution,
    "DequantizeLinear": lambda a, x, s, z=None: dequantized(x, s, z, a.get("axis", 1)),
    "Div": lambda a, x, y: x / y,
    "Gemm": gemm,
    "GlobalAveragePool": lambda a, x: x.mean(tuple(range(2, x.ndim)), keepdims=True),
    "HardSigmoid": lambda a, x: np.clip(np.float32(a["alpha"]) * x + np.float32(a["beta"]), 0, 1),
    "HardSwish": lambda a, x: x * np.clip(x / 6 + 0.5, 0, 1),
    "LayerNormalization": layer_normalization,
    "LeakyRelu": leaky,
    "MatMul": lambda a, x, y: x @ y,
    "Max": lambda a, x, y: np.maximum(x, y),
    "Min": lambda a, x, y: np.minimum(x, y),
    "Mul": lambda a, x, y: x * y,
    "Relu": lambda a, x: np.maximum(x, 0),
    "Sigmoid": lambda a, x: 1 / (1 + np.exp(-x)),
    "Softmax": soft_maximum,
    "Softplus": lambda a, x: np.log1p(np.exp(x)),
    "Sqrt": lambda a, x: np.sqrt(x),
    "Sub": lambda a, x, y: x - y,
    "Tanh": lambda a, x: np.tanh(x),
}


def of_one(kind):
    """onnxruntime's form of an operator on one value."""
    return lambda a, x, xs, xz, ys, yz: (REALS[kind](a, dequantized(x, xs, xz)), ys, yz)


def of_two(kind):
    return lambda a, x, xs, xz, y, ys, yz, zs, zz: (
        REALS[kind](a, dequantized(x, xs, xz), dequantized(y, ys, yz)),
        zs,
        zz,
    )


def linear_concat(a, ys, yz, *parts):
    values = [dequantized(*parts[i : i + 3]) for i in range(0, len(parts), 3)]
    return np.concatenate(values, a["axis"]), ys, yz


def quantized_gemm(a, x, xs, xz, w, ws, wz, bias, ys, yz):
    rows = 0 if a.get("transB", 0) else 1
    weights = dequantized(w, ws, wz, rows)
    steps = np.float64(xs) * np.asarray(ws, np.float64)
    return gemm(a, dequantized(x, xs, xz), weights, 0 if bias is None else bias * steps), ys, yz


# Real numbers with the scale and zero point that they are quantized with.
QUANTIZED = {
    "QGemm": quantized_gemm,
    "QLinearAdd": of_two("Add"),
    "QLinearAveragePool": of_one("AveragePool"),
    "QLinearConcat": linear_concat,
    "QLinearGlobalAveragePool": of_one("GlobalAveragePool"),
    "QLinearLeakyRelu": of_one("LeakyRelu"),
    "QLinearMul": of_two("Mul"),
    "QLinearSigmoid": of_one("Sigmoid"),
    "QLinearSoftmax": of_one("Softmax"),
}


def quotients(node, values):
    """The numbers that a node rounds to integers, before it adds the zero point; None if it rounds
    nothing.
    """
    inputs = [values[name] if name else None for name in node.input]
    if node.op_type == "QuantizeLinear":
        x, scale = inputs[:2]
        axis = attributes(node).get("axis", 1)
        return x.astype(np.float64) / along(scale, x, axis).astype(np.float64)
    if node.op_type in QUANTIZED:
        real, scale, _ = QUANTIZED[node.op_type](attributes(node), *inputs)
        return real / np.float64(scale)
    return None


def chain(model, node):
    """The kinds of the nodes that a node's result is made of, back to quantized values."""
    producers = {name: node for node in model.graph.node for name in node.output}
    kinds, open_ = set(), [node]
    while open_:
        node = open_.pop()
        kinds.add(node.op_type)
        if node.op_type != "DequantizeLinear":
            open_ += [producers[name] for name in node.input if name in producers]
    return kinds


def error(node, values):
    """How far the results of a node, among these values, are from those of NumPy for its inputs:
    integers in steps beyond the nearest one, floats as a part of the largest result.
    """
    inputs = [values[name] if name else None for name in node.input]
    while inputs and inputs[-1] is None:
        inputs.pop()
    result = values[node.output[0]]
    if node.op_type in INTEGERS:
        expected = INTEGERS[node.op_type](attributes(node), *inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        errors = [
            np.abs(values[name].astype(np.float64) - np.asarray(value).astype(np.float64)).max(
                initial=0
            )
            for name, value in zip(node.output, expected)
            if name
        ]
        return max(errors)
    if node.op_type in QUANTIZED:
        real, scale, zero = QUANTIZED[node.op_type](attributes(node), *inputs)
        info = np.iinfo(zero.dtype)
        exact = np.clip(real / np.float64(scale) + np.float64(zero), info.min, info.max)
        return max(0, np.abs(result - exact).max(initial=0) - 0.5)
    inputs = [
        x.astype(np.float64) if x is not None and x.dtype == np.float32 else x for x in inputs
    ]
    expected = np.asarray(REALS[node.op_type](attributes(node), *inputs))
    if result.shape != expected.shape:
        return np.inf
    return np.abs(result - expected).max(initial=0) / max(np.abs(expected).max(initial=0), 1e-30)
