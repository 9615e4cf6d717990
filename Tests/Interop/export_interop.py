"""Checks the forms in which fine-tuning exports a network with ONNX's checker, onnxruntime and
h5py.
"""

import collections
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import unittest

import h5py
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
        images = generator.integers(0, 160, (60, 32, 32, 3)) + labels[:, None, None, None] * 40
        cls.images = images.astype(np.uint8)
        np.savez(cls.path / "images.npz", x=cls.images, y=labels)
        cls.train("float32", "--export-training-checkpoint")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def graft(cls, *arguments):
        return subprocess.run(
            [interop.GRAFT, *map(str, arguments)], capture_output=True, text=True, cwd=cls.path
        )

    @classmethod
    def train(cls, output, *arguments):
        result = cls.graft(
            "train",
            "images.npz",
            "--model",
            "resnet9",
            "--image-size",
            32,
            "--preprocess",
            "unit",
            "--head",
            HEAD,
            "--batch-size",
            16,
            "--epochs",
            2,
            "--split",
            "60,20,20",
            "--output",
            output,
            *arguments,
        )
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
        pixels = np.float32(self.images.transpose(0, 3, 1, 2)) / np.float32(255)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (value,) = session.get_inputs()
        self.assertEqual(value.type, "tensor(float)")
        (scores,) = session.run(None, {value.name: pixels})
        self.assertEqual(scores.dtype, np.float32)
        return scores

    def expect_same_evaluation(self, run, scores):
        """Graft's results for the file follow from onnxruntime's scores."""
        report = json.loads(
            self.graft("evaluate", f"{run}/model.onnx", "images.npz", "--json").stdout
        )
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
            "train", "images.npz", "--output", "again", "--resume", "--fold-normalization",
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
            exponentials / exponentials.sum(axis=1, keepdims=True),
            self.scores("float32"),
            atol=1e-5,
        )
        arguments = [
            "finetune",
            "images.npz",
            "--model",
            "float32/training.onnx",
            "--head",
            "keep",
            "--batch-size",
            16,
            "--split",
            "60,20,20",
            "--learning-rate",
            "1e-3",
        ]
        # Without a step the network is unchanged, and its penalty is in the loss.
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
        self.assertGreater(
            abs(numpy_helper.to_array(kernel) - numpy_helper.to_array(moved)).max(), 0
        )

    def test_penalties_are_kept(self):
        """With a learning rate of 0, the loss on test images is that of the network and its
        penalty.
        """
        self.graft(
            "finetune",
            "images.npz",
            "--model",
            "float32/training.onnx",
            "--head",
            "keep",
            "--batch-size",
            16,
            "--split",
            "60,20,20",
            "--learning-rate",
            0,
            "--epochs",
            1,
            "--unfreeze",
            "head/dense_1",
            "--output",
            "still",
        )
        losses = []
        for run in ["float32", "still"]:
            with open(self.path / run / "log.jsonl") as file:
                *_, last = map(json.loads, file)
            losses.append(last["val_loss"])
        self.assertAlmostEqual(losses[0], losses[1], places=5)
        model = self.model("float32")
        kernel = next(t for t in model.graph.initializer if t.name == "head/dense_1/kernel")
        self.assertGreater(1e-2 * (numpy_helper.to_array(kernel) ** 2).sum(), 1e-3)

    def test_penalties_that_make_no_sense(self):
        for text in ["l2=-1", "l2=nan", "l2=1e300", "l2=", "l3=1", "(((", "1,2"]:
            model = onnx.load(self.path / "float32" / "training.onnx")
            (entry,) = [
                entry
                for node in model.graph.node
                for entry in node.metadata_props
                if entry.key == "graft.penalty"
            ]
            entry.value = text
            onnx.save(model, self.path / "lies.onnx")
            result = self.graft(
                "finetune",
                "images.npz",
                "--model",
                "lies.onnx",
                "--head",
                "keep",
                "--batch-size",
                16,
                "--output",
                "none",
            )
            self.assertEqual(result.returncode, 65, f"{text}: {result.stderr}")
            self.assertIn("graft.penalty", result.stderr)
            self.assertFalse((self.path / "none").exists())

    def test_heads_that_do_not_fit(self):
        np.savez(self.path / "two.npz", x=self.images, y=np.arange(60, dtype=np.uint8) % 2)
        for data, arguments, part in [
            ("two.npz", [], "the network's classes are"),
            ("images.npz", ["--cut", "stage3_add"], "cannot be combined with --head keep"),
        ]:
            result = self.graft(
                "finetune",
                data,
                "--model",
                "float32/training.onnx",
                "--head",
                "keep",
                "--output",
                "none",
                *arguments,
            )
            self.assertEqual(result.returncode, 64, result.stderr)
            self.assertIn(part, result.stderr)
            self.assertFalse((self.path / "none").exists())


class KerasWeights(unittest.TestCase):
    """VGG16 with random weights and a head that flattens, as HDF5: h5py finds what ONNX has, where
    Keras looks for it.
    """

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(cls.folder.name)
        pixels = np.random.default_rng(5).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
        np.savez(cls.path / "images.npz", x=pixels, y=np.arange(12) % 3)
        cls.run_graft(
            "train",
            "images.npz",
            "--model",
            "vgg16",
            "--image-size",
            64,
            "--preprocess",
            "unit",
            "--head",
            "flatten,dense(5,relu),dense(classes)",
            "--batch-size",
            12,
            "--epochs",
            1,
            "--split",
            "100,0,0",
            "--learning-rate",
            "1e-4",
        )
        model = onnx.load(cls.path / "run" / "model.onnx")
        cls.tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def run_graft(cls, *arguments, code=0):
        result = subprocess.run(
            [interop.GRAFT, *map(str, arguments)], capture_output=True, text=True, cwd=cls.path
        )
        if result.returncode != code:
            raise AssertionError(result.stderr)
        return result

    def layers(self, name):
        """As Keras reads the legacy layout: layers and arrays in the order of the attributes."""
        with h5py.File(self.path / name) as file:
            self.assertEqual(file.attrs["backend"], b"tensorflow")
            self.assertGreaterEqual(file.attrs["keras_version"].decode(), "2")
            return {
                layer.decode(): [
                    file[layer][weight][()] for weight in file[layer].attrs["weight_names"]
                ]
                for layer in file.attrs["layer_names"]
            }

    def test_weights_are_where_keras_looks(self):
        self.run_graft("convert", "run/model.onnx", "all.h5")
        self.run_graft("convert", "run/model.onnx", "trunk.h5", "--no-top")
        layers, trunk = self.layers("all.h5"), self.layers("trunk.h5")
        self.assertEqual(list(trunk), list(layers)[:13])
        self.assertEqual(list(layers)[13:], ["head_dense_1", "head_dense_2"])
        for name, (kernel, bias) in trunk.items():
            np.testing.assert_array_equal(
                kernel.transpose(3, 2, 0, 1), self.tensors[f"{name}/kernel"]
            )
            np.testing.assert_array_equal(bias, self.tensors[f"{name}/bias"])
            np.testing.assert_array_equal(kernel, layers[name][0])
        # Keras flattens rows, columns, channels.
        kernel, bias = layers["head_dense_1"]
        maps = self.tensors["head/dense_1/kernel"].reshape(512, 2, 2, 5)
        np.testing.assert_array_equal(kernel, maps.transpose(1, 2, 0, 3).reshape(2048, 5))
        np.testing.assert_array_equal(bias, self.tensors["head/dense_1/bias"])
        np.testing.assert_array_equal(
            layers["head_dense_2"][0], self.tensors["head/dense_2/kernel"]
        )

    def test_maps_are_flattened_in_one_order_or_the_other(self):
        """Other exporters reshape maps, or bring them into Keras's order first."""
        self.run_graft("convert", "run/model.onnx", "all.h5")
        expected = self.layers("all.h5")["head_dense_1"][0]
        own = self.tensors["head/dense_1/kernel"]
        for name, permutation, kernel in [
            ("reshaped", None, expected),
            ("rows first", [0, 2, 3, 1], own),
            ("columns first", [0, 3, 2, 1], None),
        ]:
            model = onnx.load(self.path / "run" / "model.onnx")
            nodes = model.graph.node
            (index,) = [index for index, node in enumerate(nodes) if node.op_type == "Flatten"]
            maps, flat = nodes[index].input[0], nodes[index].output[0]
            del nodes[index]
            model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 2048]), "target"))
            source = maps if permutation is None else "maps in another order"
            nodes.insert(index, onnx.helper.make_node("Reshape", [source, "target"], [flat]))
            if permutation:
                nodes.insert(
                    index, onnx.helper.make_node("Transpose", [maps], [source], perm=permutation)
                )
            onnx.save(model, self.path / "other.onnx")
            result = self.run_graft(
                "convert", "other.onnx", "other.h5", code=0 if kernel is not None else 69
            )
            if kernel is None:
                self.assertIn("order", result.stderr)
            else:
                np.testing.assert_array_equal(
                    self.layers("other.h5")["head_dense_1"][0], kernel, name
                )

    def test_what_was_written_is_read_again(self):
        self.run_graft("convert", "run/model.onnx", "trunk.h5", "--no-top")
        self.run_graft("convert", "trunk.h5", "trunk.onnx")
        model = onnx.load(self.path / "trunk.onnx")
        for tensor in model.graph.initializer:
            np.testing.assert_array_equal(numpy_helper.to_array(tensor), self.tensors[tensor.name])

    def test_full_disks_leave_the_old_file(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        (self.path / "old.h5").write_bytes(b"what was there")
        result = subprocess.run(
            [interop.GRAFT, "convert", "run/model.onnx", "old.h5"],
            capture_output=True,
            text=True,
            cwd=self.path,
            preexec_fn=limit,
        )
        self.assertEqual(result.returncode, 74, result.stderr)
        self.assertIn("old.h5", result.stderr)
        self.assertEqual((self.path / "old.h5").read_bytes(), b"what was there")
        self.assertEqual(list(self.path.glob("*.tmp")), [])

    def test_what_keras_does_not_know(self):
        result = self.run_graft("convert", "cifar10", "cifar10.h5", code=69)
        self.assertIn("vgg16", result.stderr)
        result = self.run_graft("convert", "run/model.onnx", "all.h5", "--opset", 17, code=64)
        self.assertIn("--opset", result.stderr)
        result = self.run_graft("convert", "run/model.onnx", "nowhere/all.h5", code=73)
        self.assertIn("nowhere", result.stderr)
        self.assertEqual(list(self.path.glob("*.tmp")), [])


if __name__ == "__main__":
    interop.main(sys.modules["__main__"])
