"""Measures DFT of 1,024 and of 1,000 points, 1,000 rows of complex numbers, beside NumPy, in turns.

Usage: tools/benchmark fourier [--graft PROGRAM] [--rounds 5] [--quick]
"""

import os
import sys

import onnx
from onnx import TensorProto, helper

from benchmark.comparison import compare
from benchmark.contenders import Graft, Peer

ROWS = 1000


def write_model(path, points):
    node = helper.make_node("DFT", ["X", "", "axis"], ["Y"])
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "fourier",
        [info("X", TensorProto.FLOAT, ["N", points, 2])],
        [info("Y", TensorProto.FLOAT, ["N", points, 2])],
        [helper.make_tensor("axis", TensorProto.INT64, [], [1])],
    )
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


def groups(folder, program):
    works = {}
    for points in (1024, 1000):
        model = os.path.join(folder, f"fourier{points}.onnx")
        write_model(model, points)
        works[f"DFT of {points} points, {ROWS} rows"] = [
            Peer("NumPy", model, batch=ROWS),
            Graft(program, model, batch=ROWS),
        ]
    return works


if __name__ == "__main__":
    sys.exit(compare("fourier", __doc__, groups))
