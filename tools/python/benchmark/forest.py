"""Measures a regression forest of 500 trees of depth 8 on 1,000 rows beside onnxruntime, in turns.

Usage: tools/benchmark forest [--graft PROGRAM] [--rounds 5] [--quick]
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

from benchmark.comparison import compare
from benchmark.contenders import Graft, Peer

TREES, DEPTH, FEATURES, ROWS = 500, 8, 20, 1000


def write_model(path):
    """A forest of complete trees with random features and thresholds."""
    generator = np.random.default_rng(0)
    inner, count = 2**DEPTH - 1, 2 ** (DEPTH + 1) - 1
    nodes = np.arange(count)
    is_inner = nodes < inner
    leaves = np.tile(nodes[inner:], TREES)
    # Numbers that split the inputs, which lie between -1 and 1 mostly.
    thresholds = generator.normal(scale=0.5, size=(TREES, count)).astype(np.float32)
    attributes = {
        "nodes_treeids": np.repeat(np.arange(TREES), count),
        "nodes_nodeids": np.tile(nodes, TREES),
        "nodes_featureids": generator.integers(0, FEATURES, TREES * count),
        "nodes_modes": ["BRANCH_LEQ" if inner else "LEAF" for inner in is_inner] * TREES,
        "nodes_values": thresholds.reshape(-1),
        "nodes_truenodeids": np.tile(np.where(is_inner, 2 * nodes + 1, 0), TREES),
        "nodes_falsenodeids": np.tile(np.where(is_inner, 2 * nodes + 2, 0), TREES),
        "target_treeids": np.repeat(np.arange(TREES), inner + 1),
        "target_nodeids": leaves,
        "target_ids": np.zeros_like(leaves),
        "target_weights": generator.normal(size=len(leaves)).astype(np.float32),
        "n_targets": 1,
    }
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["Y"],
        domain="ai.onnx.ml",
        **{name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in attributes.items()},
    )
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "forest",
        [info("X", TensorProto.FLOAT, ["N", FEATURES])],
        [info("Y", TensorProto.FLOAT, ["N", 1])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def groups(folder, program):
    model = os.path.join(folder, "forest.onnx")
    write_model(model)
    return {
        f"{TREES} trees of depth {DEPTH}, {ROWS} rows": [
            Peer("onnxruntime", model, batch=ROWS),
            Graft(program, model, batch=ROWS),
        ]
    }


if __name__ == "__main__":
    sys.exit(compare("forest", __doc__, groups))
