"""Checks what fine-tuning exports with ONNX's checker and onnxruntime, and that CIFAR-10 is read in
all its forms.

What needs real data takes it from the folder that GRAFT_TEST_DATA names, and says so when it is not
there.
"""

import glob
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import unittest.mock

import numpy as np
import onnx
import onnxruntime
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import interop
import resume_after_kill

HERE = os.path.dirname(os.path.abspath(__file__))
EMBEDDED = os.path.join(HERE, "..", "..", "models", "cifar10-resnet9.onnx")
CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
TRAINING = ["--epochs", 1, "--batch-size", 32, "--split", "80,10,10", "--seed", 3, "--threads", 2]


def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def unit_pixels(path):
    """An image as the preprocessing `unit` has it, [1, 3, H, W]."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def largest_difference(model, images, names=None):
    """The difference of `infer` with no option but --model from onnxruntime."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (name,) = [value.name for value in session.get_inputs()]
    flags = ["--model", model] if names is None else []
    answers = interop.graft("infer", *images, *flags, "--top-k", 10, "--json").stdout
    largest = 0
    for path, line in zip(images, answers.splitlines(), strict=True):
        scores = session.run(None, {name: unit_pixels(path)})[0]
        if scores.shape[1] > 1 and not np.allclose(scores.sum(), 1, atol=1e-4):
            scores = softmax(scores)
        for prediction in json.loads(line)["predictions"]:
            expected = scores[0, prediction["index"]]
            largest = max(largest, abs(prediction["probability"] - expected))
            if names is not None and prediction["label"] != names[prediction["index"]]:
                raise AssertionError(f"class {prediction['index']} is called {prediction['label']}")
    return largest


@interop.NEEDS_DATA
class CIFAR10(unittest.TestCase):
    """A few hundred of the real images in each of the official forms, and in folders."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.data = os.path.join(cls.folder.name, "data")
        script = os.path.join(HERE, "..", "Fixtures", "make_cifar.py")
        subprocess.run(
            [sys.executable, script, cls.data, "--per-batch", "40"], check=True, capture_output=True
        )
        with tarfile.open(os.path.join(interop.DATA, "cifar10", "cifar10-jpeg.tar")) as archive:
            wanted = [
                member for member in archive.getmembers()
                if member.isfile() and int(pathlib.PurePath(member.name).stem) < 20
            ]  # fmt: skip
            archive.extractall(os.path.join(cls.data, "jpeg"), wanted, filter="data")
        cls.images = sorted(
            glob.glob(os.path.join(cls.data, "jpeg", "**", "*.jpg"), recursive=True)
        )[::9]
        cls.runs = {}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_folder(self, command, form):
        """The folder of a run on a form of the data; finetune uses train's trunk."""
        key = f"{command}-{os.path.basename(form)}"
        if key not in self.runs:
            output = os.path.join(self.folder.name, key)
            trunk = [
                "--model",
                "resnet9",
                "--image-size",
                32,
                "--preprocess",
                "unit",
                "--head",
                "gmp,dense(classes)",
            ]
            if command == "finetune":
                model = os.path.join(self.run_folder("train", form), "model.onnx")
                trunk = ["--model", model, "--cut", "stage3_add", "--unfreeze", "none"]
            interop.graft(
                command,
                os.path.join(self.data, form),
                *trunk,
                *TRAINING,
                "--learning-rate",
                "1e-3",
                "--output",
                output,
            )
            self.runs[key] = output
        return self.runs[key]

    FORMS = [
        "cifar-10-batches-bin",
        "cifar-10-batches-py",
        "cifar-10-binary.tar.gz",
        "cifar-10-python.tar.gz",
    ]

    def test_all_official_forms_train_to_the_same_bits(self):
        for command in ["train", "finetune"]:
            models = set()
            for form in self.FORMS:
                with open(os.path.join(self.run_folder(command, form), "model.onnx"), "rb") as file:
                    models.add(file.read())
            self.assertEqual(len(models), 1, command)

    def test_folders_train(self):
        for command in ["train", "finetune"]:
            folder = os.path.join("jpeg", "train")
            model = os.path.join(self.run_folder(command, folder), "model.onnx")
            self.assertIn(
                "automobile",
                interop.graft("infer", self.images[0], "--model", model, "--top-k", 10).stdout,
            )

    def test_exported_models_are_onnx(self):
        for command in ["train", "finetune"]:
            path = os.path.join(self.run_folder(command, self.FORMS[0]), "model.onnx")
            onnx.checker.check_model(onnx.load(path), full_check=True)
            self.assertLess(largest_difference(path, self.images), 1e-5, command)

    def test_evaluate_prints_one_object(self):
        model = os.path.join(self.run_folder("train", self.FORMS[0]), "model.onnx")
        report = json.loads(
            interop.graft(
                "evaluate", model, os.path.join(self.data, self.FORMS[0]), "--json"
            ).stdout
        )
        self.assertLessEqual(
            {"accuracy", "loss", "count", "classes", "confusion_matrix"}, set(report)
        )
        self.assertEqual(sum(map(sum, report["confusion_matrix"])), report["count"])
        self.assertEqual(report["classes"], CLASSES)

    def test_the_example_of_the_swift_api_runs(self):
        program = os.path.join(os.path.dirname(interop.GRAFT), "fine-tuning-example")
        images = os.path.join(self.data, "jpeg", "train")
        output = os.path.join(self.folder.name, "example")
        home = os.path.join(self.folder.name, "example-home")
        result = subprocess.run(
            [program, EMBEDDED, images, output, self.images[0]], capture_output=True, text=True,
            env=os.environ | {"GRAFT_HOME": home, "GRAFT_THREADS": "2"})  # fmt: skip
        self.assertEqual(result.returncode, 0, result.stderr)
        # The end of the process waits for the compiled model that is on its way there.
        stored = [
            name for name in os.listdir(os.path.join(home, "compiled")) if name.endswith(".model")
        ]
        self.assertEqual(len(stored), 1)
        self.assertIn("phase 1, epoch 1: loss", result.stdout)
        self.assertIn("images, accuracy", result.stdout)
        self.assertIn("airplane", result.stdout)
        session = onnxruntime.InferenceSession(os.path.join(output, "model.onnx"))
        self.assertEqual(session.get_outputs()[0].shape[1], 10)

    def test_embedded_model_answers_as_onnxruntime_does(self):
        onnx.checker.check_model(onnx.load(EMBEDDED), full_check=True)
        self.assertLess(largest_difference(EMBEDDED, self.images, CLASSES), 1e-5)

    def test_embedded_model_has_no_file_and_no_other_weights(self):
        result = interop.graft("infer", self.images[0], "--weights", EMBEDDED, check=False)
        self.assertEqual((result.returncode, "--weights" in result.stderr), (64, True))
        result = interop.graft("models", "path", "cifar10", check=False)
        self.assertEqual((result.returncode, "graft convert" in result.stderr), (64, True))
        copy = os.path.join(self.folder.name, "copy.onnx")
        interop.graft("convert", "cifar10", copy)
        self.assertLess(largest_difference(copy, self.images[:3]), 1e-5)

    def test_embedded_model_knows_the_first_test_images(self):
        folder = os.path.join(self.folder.name, "all")
        script = os.path.join(HERE, "..", "Fixtures", "make_cifar.py")
        subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
        data = os.path.join(folder, self.FORMS[0], "test_batch.bin")
        batches = os.path.join(self.folder.name, "test-only", self.FORMS[0])
        os.makedirs(batches)
        pixels = np.fromfile(data, dtype=np.uint8).reshape(-1, 3073)
        right = 0
        paths = []
        for index, row in enumerate(pixels):
            paths.append(os.path.join(batches, f"{index:04}.png"))
            Image.fromarray(row[1:].reshape(3, 32, 32).transpose(1, 2, 0)).save(paths[-1])
        answers = interop.graft("infer", *paths, "--top-k", 1, "--json").stdout.splitlines()
        for row, answer in zip(pixels, answers, strict=True):
            right += json.loads(answer)["predictions"][0]["index"] == row[0]
        self.assertGreaterEqual(right / len(pixels), 0.88)


class FineTuning(unittest.TestCase):
    """Runs of fine-tuning on a small network and small images, which are made here."""

    TRUNK = [
        "--model", "trunk.onnx", "--cut", "block2", "--preprocess", "unit", "--head",
        "gap,dropout(0.2),dense(8,relu),dense(classes)",
    ]  # fmt: skip
    SHORT = ["--batch-size", 8, "--epochs", "3,2", "--unfreeze", "none;block2"]

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        resume_after_kill.write_trunk(self.path / "trunk.onnx")
        resume_after_kill.write_images(self.path / "images.npz")

    def finetune(self, *arguments, data="images.npz", output="run"):
        return subprocess.run(
            [interop.GRAFT, "finetune", data, "--output", output, *map(str, arguments)],
            capture_output=True, text=True, cwd=self.path,
        )  # fmt: skip

    def expect_error(self, part, *arguments, code=64, data="images.npz", output="none"):
        """An error that says `part`, and a folder that is as it was."""

        def content():
            files = (self.path / output).rglob("*")
            return {path: path.read_bytes() for path in files if path.is_file()}

        before = content()
        result = self.finetune(*arguments, data=data, output=output)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(part, result.stderr)
        self.assertEqual(before, content())
        self.assertEqual((self.path / output).exists(), bool(before))

    def test_tensorboard_reads_the_events(self):
        result = self.finetune(*self.TRUNK, *self.SHORT)
        self.assertEqual(result.returncode, 0, result.stderr)
        events = EventAccumulator(str(self.path / "run"), size_guidance={"scalars": 0}).Reload()
        with open(self.path / "run" / "log.jsonl") as file:
            records = [json.loads(line) for line in file]
        self.assertEqual(len(records), 5)
        tags = {
            "loss/training": "loss", "loss/validation": "val_loss", "accuracy/training": "accuracy",
            "accuracy/validation": "val_accuracy", "learning_rate": "learning_rate",
            "images_per_second": "images_per_second",
        }  # fmt: skip
        self.assertEqual(set(events.Tags()["scalars"]), {*tags, "loss/step"})
        for tag, key in tags.items():
            scalars = events.Scalars(tag)
            self.assertEqual([s.step for s in scalars], [5, 10, 15, 20, 25])
            np.testing.assert_array_equal(
                np.float32([s.value for s in scalars]), np.float32([r[key] for r in records])
            )
            self.assertLess(abs(scalars[-1].wall_time - time.time()), 600)
        steps = np.loadtxt(self.path / "run" / "steps.csv", delimiter=",", skiprows=1)
        scalars = events.Scalars("loss/step")
        self.assertEqual([s.step for s in scalars], list(range(1, 26)))
        np.testing.assert_array_equal(
            np.float32([s.value for s in scalars]), np.float32(steps[:, 3])
        )
        # Every record and both of its checksums.
        path = str(self.path / "run" / "events.out.tfevents.graft")
        self.assertEqual(sum(1 for _ in EventFileLoader(path).Load()), 1 + 25 + 5)

    def test_cross_validation_goes_on(self):
        options = [*self.TRUNK, "--batch-size", 8, "--epochs", "60,5", "--unfreeze", "none;block2"]
        whole = self.finetune("--cross-validate", 3, *options, output="whole")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        resume, stops = [], 0
        while True:
            process = subprocess.Popen(
                [
                    interop.GRAFT,
                    "finetune",
                    "images.npz",
                    "--output",
                    "parts",
                    "--cross-validate",
                    "3",
                    *([str(o) for o in options] if not resume else resume),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=self.path,
            )
            try:
                process.wait(timeout=0.4 + 0.2 * stops)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            output, errors = process.communicate()
            if process.returncode == 0:
                break
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn(
                "graft finetune images.npz --output parts --cross-validate 3 --resume", output
            )
            resume, stops = ["--resume"], stops + 1
            self.assertLess(stops, 50)
        self.assertGreater(stops, 0)
        self.assertEqual(
            output.replace("parts/", "whole/").splitlines()[-2:], whole.stdout.splitlines()[-2:]
        )
        for fold in ["fold1", "fold2", "fold3"]:
            self.assertEqual(
                (self.path / "parts" / fold / "model.onnx").read_bytes(),
                (self.path / "whole" / fold / "model.onnx").read_bytes(),
            )
        self.expect_error("repeat that option", "--resume", code=66, output="parts")
        result = self.finetune("--resume", "--cross-validate", 4, output="parts")
        self.assertEqual(result.returncode, 64)
        self.assertIn("has 3 folds, not 4", result.stderr)

    def test_data_that_cannot_be_trained_on(self):
        with np.load(self.path / "images.npz") as arrays:
            x, y = arrays["x"], arrays["y"]
        options = [*self.TRUNK, *self.SHORT]

        def folder(name, classes):
            for label, images in classes.items():
                (self.path / name / label).mkdir(parents=True)
                for index, image in enumerate(images):
                    Image.fromarray(image).save(self.path / name / label / f"{index}.png")

        folder("empty", {"a": x[:8], "b": []})
        self.expect_error("one class only", *options, code=65, data="empty")
        folder("one", {"a": x[:8]})
        self.expect_error("one class only", *options, code=65, data="one")
        for name, labels, part in [
            ("count", y[:-3], "48 images, but 45 labels"), ("real", y + 0.5, "integers"),
            ("negative", y.astype(int) - 1, "label -1"),
        ]:  # fmt: skip
            np.savez(self.path / f"{name}.npz", x=x, y=labels)
            self.expect_error(part, *options, code=65, data=f"{name}.npz")
        np.savez(self.path / "size.npz", x=x[:, :0], y=y)
        self.expect_error("empty", *options, code=65, data="size.npz")
        folder("zero", {"a": x[::2], "b": x[1::2]})
        (self.path / "zero" / "a" / "0.png").write_bytes(b"")
        self.expect_error("zero/a/0.png (is empty)", *options, "--max-bad", 0, code=65, data="zero")
        self.expect_error("No such file", *options, code=66, data="nothing")

    def test_options_that_do_not_go_together(self):
        def expect(part, *arguments, code=64):
            self.expect_error(part, *self.TRUNK, *self.SHORT, *arguments, code=code)

        expect("38 training images", "--batch-size", 39)
        expect("one vector for each image", "--head", "dense(classes)")
        expect("nothing to pool", "--head", "gap,gmp,dense(classes)")
        expect("dense(classes)", "--head", "gap")
        expect("Did you mean 'block2'", "--unfreeze", "blok2")
        expect("Did you mean 'block2'", "--cut", "blok2")
        expect("Did you mean 'block2'", "--learning-rate-factors", "blok2=0.5")
        expect("unknown class '2'", "--class-weights", "2=3")
        expect("hinge", "--class-weights", "balanced", "--loss", "hinge")
        expect("binary_cross_entropy", "--loss", "softmax_cross_entropy")
        expect("global_norm", "--gradient-clipping", "3")
        expect("'--accumulation-steps'", "--accumulation-steps", 0)
        expect("'--early-stopping'", "--early-stopping", 0)
        expect("adds up to 150", "--split", "50,50,50")
        expect("no such file", "--model", "nothing.onnx", code=66)

    def test_later_runs_find_features(self):
        found = "all cached by an earlier run"

        def run(output, *options):
            result = self.finetune(*self.TRUNK, *self.SHORT, *options, output=output)
            self.assertEqual(result.returncode, 0, result.stderr)
            return result.stdout.count(found), (self.path / output / "model.onnx").read_bytes()

        with unittest.mock.patch.dict(os.environ, GRAFT_HOME=str(self.path / "home")):
            _, model = first = run("first")
            self.assertEqual(first, (0, model))
            self.assertEqual(run("second"), (2, model))
            self.assertEqual(run("cold", "--no-cache"), (0, model))
            self.assertEqual(run("frozen", "--freeze", "all;block1")[0], 2)
            self.assertIn(".features", interop.graft("cache").stdout)
            interop.graft("cache", "clear")
            self.assertEqual(run("third"), (0, model))

    def test_parts_are_evaluated(self):
        random = np.random.default_rng(2)
        for part, count in [("train", 12), ("val", 5)]:
            for label, name in enumerate("ab"):
                folder = self.path / "parts" / part / name
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = random.integers(0, 128, (12, 12, 3)) + 100 * label
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        self.assertEqual(self.finetune(*self.TRUNK, *self.SHORT, data="parts").returncode, 0)

        def evaluate(*options, check=True):
            return interop.graft(
                "evaluate",
                self.path / "run" / "model.onnx",
                self.path / "parts",
                *options,
                check=check,
            )

        self.assertIn("10 validation images", evaluate().stdout)
        self.assertIn("24 training images", evaluate("--part", "training").stdout)
        self.assertIn("34 images", evaluate("--part", "all").stdout)
        result = evaluate("--part", "test", check=False)
        self.assertEqual(result.returncode, 64)
        self.assertIn("no images for test", result.stderr)

    def test_default_batches_fit_the_data(self):
        result = self.finetune(*self.TRUNK, "--epochs", 1, "--unfreeze", "none", "--split", "50,50")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("a batch has all 24", result.stderr)
        result = self.finetune("--resume")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_runs_that_cannot_go_on(self):
        self.expect_error("has no run", "--resume", code=66)
        self.assertEqual(self.finetune(*self.TRUNK, *self.SHORT).returncode, 0)
        # As if the last phase had still to come to its end.
        (self.path / "run" / "report.html").unlink()
        self.expect_error("already has a run", *self.TRUNK, *self.SHORT, code=73, output="run")
        self.expect_error("--seed is '9', but was", "--resume", "--seed", 9, output="run")
        with np.load(self.path / "images.npz") as arrays:
            np.savez(self.path / "fewer.npz", x=arrays["x"][2:], y=arrays["y"][2:])
        self.expect_error("not those", "--resume", data="fewer.npz", output="run")
        checkpoint = self.path / "run" / "last.npz"
        whole = checkpoint.read_bytes()
        checkpoint.write_bytes(whole[: len(whole) // 2])
        self.expect_error("last.npz", "--resume", code=65, output="run")
        checkpoint.write_bytes(whole)
        self.assertEqual(self.finetune("--resume").returncode, 0)

    def test_losses_that_overflow_leave_the_last_checkpoint(self):
        result = self.finetune(
            *self.TRUNK, "--batch-size", 8, "--epochs", 30, "--unfreeze", "all", "--optimizer",
            "sgd", "--schedule", "step(epochs=3,decay=1e30)", "--learning-rate", 1e-3,
        )  # fmt: skip
        self.assertEqual(result.returncode, 65, result.stdout)
        self.assertIn("smaller learning rate", result.stderr)
        with np.load(self.path / "run" / "last.npz") as arrays:
            for name in arrays.files:
                self.assertTrue(np.isfinite(arrays[name]).all(), name)

    def test_full_disks_leave_the_last_checkpoint(self):
        options = [*self.TRUNK, "--batch-size", 8, "--epochs", 150, "--unfreeze", "none"]
        whole = self.finetune(*options, output="whole")
        self.assertEqual(whole.returncode, 0, whole.stderr)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 10, 16 << 10))

        result = subprocess.run(
            [interop.GRAFT, "finetune", "images.npz", "--output", "run", *map(str, options)],
            capture_output=True, text=True, cwd=self.path, preexec_fn=limit,
        )  # fmt: skip
        self.assertEqual(result.returncode, 74, result.stderr)
        self.assertIn("File too large", result.stderr)
        resumed = self.finetune("--resume")
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertNotIn("from the beginning", resumed.stderr)
        for name in ["model.onnx", "steps.csv"]:
            self.assertEqual(
                (self.path / "run" / name).read_bytes(), (self.path / "whole" / name).read_bytes()
            )

    def test_images_that_vanish_leave_the_last_checkpoint(self):
        with np.load(self.path / "images.npz") as arrays:
            for index, (image, label) in enumerate(zip(arrays["x"], arrays["y"])):
                folder = self.path / "pictures" / f"class{label}"
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(folder / f"{index}.png")
        options = [
            *self.TRUNK, "--batch-size", 8, "--epochs", 1_000_000, "--unfreeze", "none",
            "--no-feature-cache",
        ]  # fmt: skip
        process = subprocess.Popen(
            [interop.GRAFT, "finetune", "pictures", "--output", "run", *map(str, options)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=self.path,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not (self.path / "run" / "last.npz").exists():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            (self.path / "pictures").rename(self.path / "elsewhere")
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 66, errors)
        self.assertIn(".png", errors)
        with np.load(self.path / "run" / "last.npz") as arrays:
            self.assertGreater(len([arrays[name] for name in arrays.files]), 4)

    def test_learning_rates_are_found(self):
        result = self.finetune(*self.TRUNK, "--batch-size", 8, "--find-learning-rate")
        self.assertEqual(result.returncode, 0, result.stderr)
        suggestion = float(result.stdout.split("--learning-rate ")[1].split(",")[0])
        self.assertTrue(1e-4 < suggestion < 1, suggestion)
        table = np.loadtxt(self.path / "run" / "learning-rates.csv", delimiter=",", skiprows=1)
        np.testing.assert_allclose(np.diff(np.log10(table[:, 0])), 8 / 299, rtol=1e-6)
        # The average that forgets, corrected as in Adam.
        average = 0
        for step, (_, loss, smoothed) in enumerate(table, 1):
            average = 0.98 * average + 0.02 * loss
            self.assertAlmostEqual(smoothed, average / (1 - 0.98**step), places=6)
        self.assertEqual(self.finetune(*self.TRUNK, *self.SHORT).returncode, 0)

    def test_evaluation_has_the_measures(self):
        self.finetune(*self.TRUNK, *self.SHORT, "--epochs", 40, "--unfreeze", "none")
        result = json.loads(
            interop.graft(
                "evaluate", self.path / "run" / "model.onnx", self.path / "images.npz", "--json"
            ).stdout
        )
        self.assertLessEqual(
            {"accuracy", "loss", "count", "classes", "confusion_matrix"}, set(result)
        )
        matrix = np.array(result["confusion_matrix"])
        self.assertEqual(matrix.sum(), result["count"])
        self.assertAlmostEqual(result["accuracy"], matrix.trace() / matrix.sum())
        recall = matrix.diagonal() / matrix.sum(axis=1)
        self.assertAlmostEqual(result["recall"], recall.mean())
        self.assertEqual([c["count"] for c in result["class_metrics"]], [24, 24])
        # The area, from the probabilities that onnxruntime gives.
        with np.load(self.path / "images.npz") as arrays:
            images = np.float32(arrays["x"].transpose(0, 3, 1, 2)) / 255
            labels = arrays["y"]
        outputs = interop.onnxruntime_outputs(self.path / "run" / "model.onnx", {"image": images})
        scores = next(iter(outputs.values()))[:, 0]
        pairs = scores[labels == 1][:, None] - scores[labels == 0][None]
        self.assertAlmostEqual(result["auc"], ((pairs > 0) + (pairs == 0) / 2).mean(), places=4)


if __name__ == "__main__":
    interop.main(sys.modules["__main__"])
