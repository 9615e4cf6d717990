"""Compares LSTM, GRU and RNN, with random options, with onnxruntime."""

import os
import sys
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper

import interop

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTIONS = {"LSTM": 3, "GRU": 2, "RNN": 1}
# The parameters that an activation has; onnxruntime wants those of Affine and ScaledTanh, and takes
# 0 for ThresholdedRelu's, where the specification says 1.
PARAMETERS = {
    "Affine": (True, True),
    "Elu": (True, False),
    "HardSigmoid": (True, True),
    "LeakyRelu": (True, False),
    "Relu": (False, False),
    "ScaledTanh": (True, True),
    "Sigmoid": (False, False),
    "Softplus": (False, False),
    "Softsign": (False, False),
    "Tanh": (False, False),
    "ThresholdedRelu": (True, False),
}
CASES = 60


class Case:
    """A node of random options, and its inputs."""

    def __init__(self, operator, seed, layouts):
        self.operator = operator
        generator = np.random.default_rng([seed, *operator.encode()])
        self.generator = generator
        steps, batch, inputs, units = (
            int(generator.integers(low, high)) for low, high in ((1, 7), (1, 12), (1, 9), (1, 40))
        )
        direction = ("forward", "reverse", "bidirectional")[generator.integers(3)]
        directions, gates = 1 + (direction == "bidirectional"), GATES[operator]
        self.attributes = {"hidden_size": units, "direction": direction}
        self.layout = int(layouts and generator.integers(2))
        if self.chance():
            self.add_activations(FUNCTIONS[operator] * directions)
            # onnxruntime's Softplus of large numbers is infinite.
            self.attributes["clip"] = 6.0
        if self.chance():
            self.attributes["clip"] = float(np.float32(generator.uniform(0.2, 2)))
        if operator == "GRU" and self.chance():
            self.attributes["linear_before_reset"] = 1
        if operator == "LSTM" and self.chance():
            self.attributes["input_forget"] = 1
        state = (directions, batch, units)
        lengths = generator.integers(0, steps + 1, batch).astype(np.int32)
        scale = 1 / np.sqrt(units)
        self.arrays = [
            self.numbers(steps, batch, inputs),
            self.numbers(directions, gates * units, inputs),
            self.numbers(directions, gates * units, units) * np.float32(scale),
            self.numbers(directions, 2 * gates * units) if self.chance() else None,
            lengths if self.chance() else None,
            self.numbers(*state) if self.chance() else None,
        ]
        outputs = 2
        if operator == "LSTM":
            self.arrays.append(self.numbers(*state) if self.chance() else None)
            self.arrays.append(self.numbers(directions, 3 * units) if self.chance() else None)
            outputs = 3
        kept = [self.chance() for _ in range(outputs)]
        kept[generator.integers(outputs)] = True
        self.kept = kept

    def chance(self):
        return bool(self.generator.integers(2))

    def numbers(self, *shape):
        return self.generator.uniform(-1, 1, shape).astype(np.float32)

    def add_activations(self, count):
        names = [list(PARAMETERS)[index] for index in self.generator.integers(0, 11, count)]
        # The limit is not for cells.
        if self.operator == "LSTM":
            names[2::3] = ["Softsign" if name == "Softplus" else name for name in names[2::3]]
        self.attributes["activations"] = names
        for position, attribute in enumerate(("activation_alpha", "activation_beta")):
            having = [name for name in names if PARAMETERS[name][position]]
            if having:
                values = self.generator.uniform(0.1, 0.6, len(having))
                self.attributes[attribute] = [float(np.float32(value)) for value in values]

    def node(self, index, layout):
        """The node in a layout, with its inputs and outputs by name."""
        attributes, arrays = dict(self.attributes), list(self.arrays)
        if layout:
            attributes["layout"] = 1
            for position in (0, 5, 6) if self.operator == "LSTM" else (0, 5):
                if arrays[position] is not None:
                    arrays[position] = np.ascontiguousarray(arrays[position].swapaxes(0, 1))
        names = [
            "" if array is None else f"input_{index}_{position}"
            for position, array in enumerate(arrays)
        ]
        outputs = [
            f"output_{index}_{position}" if kept else "" for position, kept in enumerate(self.kept)
        ]
        while not outputs[-1]:
            outputs.pop()
        given = {name: array for name, array in zip(names, arrays) if name}
        return helper.make_node(self.operator, names, outputs, **attributes), given

    def in_time_order(self, name, array):
        """An output of layout 1 as in layout 0."""
        if name.endswith("_0"):
            return array.transpose(1, 2, 0, 3)
        return array.swapaxes(0, 1)


def model(cases, opset, layouts):
    nodes, inputs = [], {}
    for index, case in enumerate(cases):
        node, given = case.node(index, case.layout if layouts else 0)
        nodes.append(node)
        inputs |= given
    values = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for node in nodes
        for name in node.output
        if name
    ]
    graph = helper.make_graph(nodes, "recurrent", values, outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return made, inputs


class Recurrent(unittest.TestCase):
    def check(self, operator, opset):
        layouts = opset >= 14
        cases = [Case(operator, seed, layouts) for seed in range(opset, opset + CASES)]
        with tempfile.TemporaryDirectory() as folder:
            peer, own = (os.path.join(folder, f"{name}.onnx") for name in ("peer", "own"))
            made, inputs = model(cases, opset, layouts=False)
            onnx.save(made, peer)
            expected = interop.onnxruntime_outputs(peer, inputs)
            made, inputs = model(cases, opset, layouts=layouts)
            onnx.save(made, own)
            outputs = interop.run_model(own, inputs)
        self.assertEqual(set(outputs), set(expected))
        self.assertGreaterEqual(len(expected), CASES)
        for name, array in expected.items():
            case = cases[int(name.split("_")[1])]
            output = outputs[name]
            if case.layout:
                output = case.in_time_order(name, output)
            np.testing.assert_allclose(
                output, array, rtol=1e-4, atol=1e-5, err_msg=f"{name}: {case.attributes}"
            )

    def test_lstm(self):
        for opset in (7, 14, 22):
            self.check("LSTM", opset)

    def test_gru(self):
        for opset in (7, 14, 22):
            self.check("GRU", opset)

    def test_rnn(self):
        for opset in (7, 14, 22):
            self.check("RNN", opset)


if __name__ == "__main__":
    interop.main(sys.modules["__main__"])
