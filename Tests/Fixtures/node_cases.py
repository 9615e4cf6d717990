"""Writes the single-operator cases of ONNX's backend test suite whose inputs are tensors of NumPy's
own types.

    python Tests/Fixtures/node_cases.py FOLDER

FOLDER/NAME/model.onnx and FOLDER/NAME/inputs.npz, by the names of the inputs. Functions that stand
for one operator (`…_expanded`) are left out: their operators have cases of their own.
"""

import argparse
import pathlib

import numpy as np
import onnx
from onnx.backend.test.loader import load_model_tests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    for case in load_model_tests(kind="node"):
        if "_expanded" in case.name or not case.data_sets:
            continue
        inputs = case.data_sets[0][0]
        names = [info.name for info in case.model.graph.input]
        if len(names) != len(inputs) or not all(isinstance(value, np.ndarray) for value in inputs):
            continue
        if any(value.dtype.kind not in "fiub" or value.dtype.itemsize > 8 for value in inputs):
            continue
        target = folder / case.name
        target.mkdir(parents=True)
        onnx.save(case.model, target / "model.onnx")
        np.savez(target / "inputs.npz", **dict(zip(names, inputs)))


if __name__ == "__main__":
    main()
