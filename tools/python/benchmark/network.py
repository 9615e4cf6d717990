"""A network of random weights in the making."""

import os

import numpy as np
import onnx
from onnx import helper, numpy_helper

FLOAT = onnx.TensorProto.FLOAT


class Network:
    """Nodes and weights in the making."""

    def __init__(self, seed):
        self.generator = np.random.Generator(np.random.Philox(seed))
        self.nodes, self.weights = [], []

    def constant(self, array):
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape, scale):
        return self.constant(self.generator.standard_normal(shape, np.float32) * np.float32(scale))

    def add(self, operator, *inputs, outputs=1, **attributes):
        names = [f"value_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def save(self, path, shape, output, output_shape):
        graph = helper.make_graph(
            self.nodes,
            os.path.basename(path),
            [helper.make_tensor_value_info("input", FLOAT, shape)],
            [helper.make_tensor_value_info(output, FLOAT, output_shape)],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        onnx.save(model, path + ".new")
        os.rename(path + ".new", path)
        return path
