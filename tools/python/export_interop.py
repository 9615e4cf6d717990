"""Checks the forms in which fine-tuning exports a network with ONNX's checker and onnxruntime."""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper

import interop

HEAD = "gmp,dropout(0.2),dense(8,relu,l2=1e-2),dense(classes)"


class Exports(unittest.TestCase):
    """A small network with BatchNormalization, trained for a moment on noise, in each form."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        generator = np.random.default_rng(5)
        labels = np.arange(60, dtype=np.uint8) % 3
        pictures = generator.integers(0, 160, (60, 32, 32, 3)) + labels[:, None, None, None] * 40
        cls.pictures = pictures.astype(np.uint8)
        np.savez(cls.path / "pictures.npz", x=cls.pictures, y=labels)
        cls.train("float32", "--export-training-checkpoint")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def graft(cls, *arguments):
        return subprocess.run(
            [interop.GRAFT, *map(str, arguments)], capture_output=True, text=True, cwd=cls.path)

    @classmethod
    def train(cls, output, *arguments):
        result = cls.graft(
            "train", "pictures.npz", "--model", "resnet9", "--image-size", 32, "--preprocess", "unit", "--head", HEAD,
            "--batch-size", 16, "--epochs", 2, "--split", "60,20,20", "--output", output, *arguments)  # fmt: skip
        if result.returncode:
            raise AssertionError(result.stderr)

    def model(self, run, name="model.onnx"):
        model = onnx.load(self.path / run / name)
        onnx.checker.check_model(model, full_check=True)
        return model

    def operators(self, run, name="model.onnx"):
        return collections.Counter(node.op_type for node in self.model(run, name).graph.node)

    def scores(self, run, name="model.onnx"):
        path = self.path / run / name
        pixels = np.float32(self.pictures.transpose(0, 3, 1, 2)) / np.float32(255)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (value,) = session.get_inputs()
        self.assertEqual(value.type, "tensor(float)")
        (scores,) = session.run(None, {value.name: pixels})
        self.assertEqual(scores.dtype, np.float32)
        return scores

    def expect_same_evaluation(self, run, scores):
        """What Graft says of the file is what follows from onnxruntime's scores."""
        report = json.loads(
            self.graft("evaluate", f"{run}/model.onnx", "pictures.npz", "--json").stdout)
        right = (scores.argmax(axis=1) == np.arange(60) % 3).mean()
        self.assertAlmostEqual(report["accuracy"], right)

    def test_float16(self):
        self.train("float16", "--export-type", "float16")
        types = {tensor.data_type for tensor in self.model("float16").graph.initializer}
        self.assertEqual(types - {TensorProto.INT64}, {TensorProto.FLOAT16})
        sizes = [(self.path / run / "model.onnx").stat().st_size for run in ["float16", "float32"]]
        self.assertLess(sizes[0], 0.51 * sizes[1])
        scores = self.scores("float16")
        np.testing.assert_allclose(scores, self.scores("float32"), atol=4e-3)
        self.assertGreater(abs(scores - self.scores("float32")).max(), 0)
        self.expect_same_evaluation("float16", scores)

    def test_folded_normalization(self):
        self.assertEqual(self.operators("float32")["BatchNormalization"], 8)
        self.train("folded", "--fold-normalization")
        self.assertEqual(self.operators("folded")["BatchNormalization"], 0)
        scores = self.scores("folded")
        np.testing.assert_allclose(scores, self.scores("float32"), atol=1e-5)
        self.expect_same_evaluation("folded", scores)

    def test_runs_that_ended_are_exported_again(self):
        self.train("again")
        before = (self.path / "again" / "log.csv").read_bytes()
        result = self.graft(
            "train", "pictures.npz", "--output", "again", "--resume", "--fold-normalization",
            "--export-type", "float16")  # fmt: skip
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((self.path / "again" / "log.csv").read_bytes(), before)
        self.assertEqual(self.operators("again")["BatchNormalization"], 0)
        np.testing.assert_allclose(self.scores("again"), self.scores("float32"), atol=4e-3)

    def test_training_goes_on_with_the_same_head(self):
        operators = self.operators("float32", "training.onnx")
        self.assertEqual((operators["Dropout"], operators["Softmax"]), (1, 0))
        logits = self.scores("float32", "training.onnx")
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        np.testing.assert_allclose(
            exponentials / exponentials.sum(axis=1, keepdims=True), self.scores("float32"), atol=1e-5)
        arguments = [
            "finetune", "pictures.npz", "--model", "float32/training.onnx", "--head", "keep", "--batch-size", 16,
            "--split", "60,20,20", "--learning-rate", "1e-3"]  # fmt: skip
        # Without a step the network stays what it is, and its penalty is in the loss.
        result = self.graft(*arguments, "--epochs", 0, "--unfreeze", "none", "--output", "same")
        self.assertEqual(result.returncode, 0, result.stderr)
        np.testing.assert_allclose(self.scores("same"), self.scores("float32"), atol=1e-6)
        with open(self.path / "float32" / "log.jsonl") as file:
            *_, last = map(json.loads, file)
        result = self.graft(*arguments, "--epochs", 2, "--unfreeze", "all", "--output", "on")
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path / "on" / "log.jsonl") as file:
            first, *_ = map(json.loads, file)
        self.assertLess(first["loss"], last["loss"] * 1.2)
        kernel, moved = (
            next(t for t in self.model(run).graph.initializer if t.name == "head/dense_1/kernel")
            for run in ["float32", "on"])  # fmt: skip
        self.assertGreater(abs(numpy_helper.to_array(kernel) - numpy_helper.to_array(moved)).max(), 0)

    def test_penalties_are_kept(self):
        """With a learning rate of 0, the loss on test pictures is that of the network and its penalty."""
        self.graft(
            "finetune", "pictures.npz", "--model", "float32/training.onnx", "--head", "keep", "--batch-size", 16,
            "--split", "60,20,20", "--learning-rate", 0, "--epochs", 1, "--unfreeze", "head/dense_1", "--output", "still")  # fmt: skip
        losses = []
        for run in ["float32", "still"]:
            with open(self.path / run / "log.jsonl") as file:
                *_, last = map(json.loads, file)
            losses.append(last["val_loss"])
        self.assertAlmostEqual(losses[0], losses[1], places=5)
        model = self.model("float32")
        kernel = next(t for t in model.graph.initializer if t.name == "head/dense_1/kernel")
        self.assertGreater(1e-2 * (numpy_helper.to_array(kernel) ** 2).sum(), 1e-3)

    def test_heads_that_do_not_fit(self):
        np.savez(self.path / "two.npz", x=self.pictures, y=np.arange(60, dtype=np.uint8) % 2)
        for data, arguments, part in [
            ("two.npz", [], "the network's classes are"),
            ("pictures.npz", ["--cut", "stage3_add"], "is not cut"),
        ]:
            result = self.graft(
                "finetune", data, "--model", "float32/training.onnx", "--head", "keep", "--output", "none", *arguments)
            self.assertEqual(result.returncode, 64, result.stderr)
            self.assertIn(part, result.stderr)
            self.assertFalse((self.path / "none").exists())


if __name__ == "__main__":
    interop.main(sys.modules["__main__"])
