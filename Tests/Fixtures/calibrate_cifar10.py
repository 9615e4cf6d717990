"""Calibrates the network that is part of Graft, and measures the figures of its model card.

With --output a network as `graft train` wrote it gets

- a temperature (Guo et al., "On Calibration of Modern Neural Networks", 2017), fitted on the 1,000
  validation images of its recipe and folded into its last layer, and
- a second output, `in_distribution_score`, with a threshold in its metadata: the energy of the
  logits (Liu et al., "Energy-based Out-of-distribution Detection", 2020) plus a logistic regression
  on the features that the last layer reads. The regression tells training images from images made
  of them that show none of the classes: quarters in another order, and single quarters, enlarged.
  In units of their standard deviations, the regression weighs six times as much. Nothing but
  CIFAR-10 is used to fit it, but what it is made of and the weight were chosen with a look at the
  photos.

Without --output it only measures the network as it is. The seed is fixed.

    python Tests/Fixtures/make_cifar.py DATA --full
    graft train DATA/cifar-10-binary.tar.gz --recipe recipes/cifar10-resnet9.yaml --output run
    python Tests/Fixtures/calibrate_cifar10.py run/model.onnx --output models/cifar10-resnet9.onnx
    python Tests/Fixtures/calibrate_cifar10.py models/cifar10-resnet9.onnx
"""

import argparse
import gzip
import json
import os
import pathlib
import pickle
import tarfile

import make_cifar
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from PIL import Image

SCORE = "in_distribution_score"
OUTPUT_KEY = "graft.in_distribution.output"
THRESHOLD_KEY = "graft.in_distribution.threshold"
# The share of validation images to refuse: less than the 10 % that are allowed, as 1,000 images
# tell a share with a standard error of 0.9 points.
REFUSED_SHARE = 0.07
PENALTY = 0.1
REGRESSION_WEIGHT = 6
OUTLIER_COUNT = 8000

# ImageNet's classes among the photos that are one of CIFAR-10's, or show a part of it. All others
# count as photos of other things, close ones (airship, trolleybus, Arctic fox) among them.
PHOTOS_OF_KNOWN_CLASSES = {
    "bird": ["cock", "great_grey_owl", "bee_eater", "oystercatcher"],
    "dog": [
        "Afghan_hound",
        "Scottish_deerhound",
        "Airedale",
        "Dandie_Dinmont",
        "vizsla",
        "komondor",
        "French_bulldog",
        "Brabancon_griffon",
    ],
    "airplane": ["wing"],
}


def prepared(image):
    """Samples [3, 32, 32] of an image, prepared as `infer` prepares it for this network."""
    image = image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def recipe_split(labels, validation_share=0.02, seed=1):
    """Training and validation indices as `graft train` makes them of the recipe's seed and shares.

    This is Stratification.swift, for classes whose shares come out even.
    """
    state, mask = seed, (1 << 64) - 1

    def next_number():  # SplitMix64
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        return mixed ^ (mixed >> 31)

    training, validation = [], []
    for label in range(10):
        members = np.flatnonzero(labels == label)
        held_out = round(len(members) * validation_share)
        for index in range(len(members) - 1, 0, -1):
            other = next_number() % (index + 1)
            members[[index, other]] = members[[other, index]]
        training.append(members[:-held_out])
        validation.append(members[-held_out:])
    return np.sort(np.concatenate(training)), np.sort(np.concatenate(validation))


def outliers(images, count, generator):
    """Images [count, 3, 32, 32] made of others that show none of their classes."""
    made = []
    for index in range(count):
        image = images[generator.integers(len(images))].reshape(3, 32, 32)
        if index % 2 == 0:
            order = generator.permutation(4)
            while np.array_equal(order, np.arange(4)):
                order = generator.permutation(4)
            quarters = [
                image[:, row : row + 16, column : column + 16]
                for row in (0, 16)
                for column in (0, 16)
            ]
            rows = [
                np.concatenate([quarters[order[row]], quarters[order[row + 1]]], axis=2)
                for row in (0, 2)
            ]
            made.append(np.concatenate(rows, axis=1))
        else:
            side = generator.integers(8, 17)
            top, left = generator.choice([0, 32 - side], 2)
            part = image[:, top : top + side, left : left + side].transpose(1, 2, 0)
            made.append(prepared(Image.fromarray(np.ascontiguousarray(part))))
    return np.stack(made)


class Network:
    """The network, and the output before its last layer."""

    def __init__(self, model):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
        self.logits = softmax.input[0]
        self.dense = next(node for node in model.graph.node if self.logits in node.output)
        self.features = self.dense.input[0]
        shown = onnx.ModelProto()
        shown.CopyFrom(model)
        names = [output.name for output in model.graph.output]
        self.names = [names[0], self.logits, self.features, *names[1:]]
        for name in [self.logits, self.features]:
            shown.graph.output.append(
                helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            )
        self.session = onnxruntime.InferenceSession(shown.SerializeToString())

    def run(self, images):
        """Probabilities, logits, features and in-distribution scores, if there are, of images [N,
        3072].
        """
        images = np.asarray(images).reshape(-1, 3, 32, 32)
        name = self.session.get_inputs()[0].name
        parts = [
            self.session.run(
                self.names, {name: images[start : start + 250].astype(np.float32) / np.float32(255)}
            )
            for start in range(0, len(images), 250)
        ]
        return [np.concatenate(column).astype(np.float64) for column in zip(*parts)]


def log_sum_exp(logits):
    largest = logits.max(axis=1)
    return largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))


def fitted_temperature(logits, labels):
    """The temperature with the least negative log likelihood, to three decimal places."""

    def loss(temperature):
        scaled = logits / temperature
        return (log_sum_exp(scaled) - scaled[np.arange(len(labels)), labels]).mean()

    return min(np.arange(200, 5000) / 1000, key=loss)


def fitted_regression(inliers, outliers):
    """Weights and bias of a logistic regression with equal weights of both sides and an L2 penalty,
    by Newton's method.

    The bias is left out of the result, as the threshold takes its place.
    """
    mean, deviation = inliers.mean(axis=0), inliers.std(axis=0) + 1e-6
    samples = (np.concatenate([inliers, outliers]) - mean) / deviation
    samples = np.column_stack([samples, np.ones(len(samples))])
    targets = np.repeat([1.0, 0.0], [len(inliers), len(outliers)])
    shares = np.repeat([0.5 / len(inliers), 0.5 / len(outliers)], [len(inliers), len(outliers)])
    penalty = np.full(samples.shape[1], PENALTY)
    penalty[-1] = 1e-9
    weights = np.zeros(samples.shape[1])
    for _ in range(12):
        probabilities = 1 / (1 + np.exp(-np.clip(samples @ weights, -30, 30)))
        gradient = samples.T @ ((probabilities - targets) * shares) + penalty * weights
        curvature = shares * probabilities * (1 - probabilities)
        hessian = (samples * curvature[:, None]).T @ samples + np.diag(penalty)
        weights -= np.linalg.solve(hessian, gradient)
    return weights[:-1] / deviation


def calibrated(model, training, validation):
    """The model with its temperature and its second output, and the temperature.

    Each part is images and labels.
    """
    network = Network(model)
    generator = np.random.default_rng(1)
    _, validation_logits, validation_features, *_ = network.run(validation[0])
    temperature = fitted_temperature(validation_logits, validation[1])
    chosen = generator.choice(len(training[0]), 2 * OUTLIER_COUNT, replace=False)
    _, _, inlier_features, *_ = network.run(training[0][chosen])
    _, _, outlier_features, *_ = network.run(outliers(training[0], OUTLIER_COUNT, generator))
    direction = fitted_regression(inlier_features, outlier_features)
    direction /= (validation_features @ direction).std()
    energy_deviation = log_sum_exp(validation_logits / temperature).std()

    result = network.model
    for initializer in result.graph.initializer:
        if initializer.name in network.dense.input:
            scaled = numpy_helper.to_array(initializer) / np.float32(temperature)
            initializer.CopyFrom(numpy_helper.from_array(scaled, initializer.name))
    kernel = (REGRESSION_WEIGHT * energy_deviation * direction).astype(np.float32)[:, None]
    result.graph.initializer.append(numpy_helper.from_array(kernel, f"{SCORE}/kernel"))
    result.graph.node.extend(
        [
            helper.make_node(
                "ReduceLogSumExp",
                [network.logits],
                [f"{SCORE}/energy"],
                f"{SCORE}/energy",
                axes=[1],
                keepdims=1,
            ),
            helper.make_node(
                "MatMul",
                [network.features, f"{SCORE}/kernel"],
                [f"{SCORE}/regression"],
                f"{SCORE}/regression",
            ),
            helper.make_node("Add", [f"{SCORE}/energy", f"{SCORE}/regression"], [SCORE], SCORE),
        ]
    )
    batch = result.graph.output[0].type.tensor_type.shape.dim[0].dim_param
    result.graph.output.append(
        helper.make_tensor_value_info(SCORE, onnx.TensorProto.FLOAT, [batch, 1])
    )
    scores = Network(result).run(validation[0])[3][:, 0]
    threshold = float(np.format_float_positional(np.quantile(scores, REFUSED_SHARE), 3))
    metadata = {entry.key: entry.value for entry in result.metadata_props}
    metadata |= {OUTPUT_KEY: SCORE, THRESHOLD_KEY: f"{threshold:.3f}"}
    helper.set_model_props(result, dict(sorted(metadata.items())))
    onnx.checker.check_model(result, full_check=True)
    return result, temperature


def calibration_error(probabilities, labels, bin_count=15):
    """The expected calibration error, over bins of equal width."""
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * bin_count).astype(int), bin_count - 1)
    return sum(
        (bins == index).mean()
        * abs(is_right[bins == index].mean() - confidence[bins == index].mean())
        for index in np.unique(bins)
    )


def photos(folder):
    """Names of classes and images of the photos."""
    rows = [line.split("\t") for line in (folder / "labels.tsv").read_text().splitlines()]
    return [row[3] for row in rows], np.stack(
        [prepared(Image.open(folder / row[0])) for row in rows]
    )


def cats_and_dogs(path):
    with tarfile.open(path) as archive:
        return np.stack(
            [
                prepared(Image.open(archive.extractfile(member)))
                for member in archive
                if member.isfile() and member.name.endswith(".jpg")
            ]
        )


def digits(path, count=2000):
    samples = np.frombuffer(gzip.open(path).read(), np.uint8, offset=16).reshape(-1, 28, 28)
    return np.stack([prepared(Image.fromarray(sample)) for sample in samples[:count]])


def figures(model, data, test):
    """The figures of the model card. `test` is images and labels."""
    network = Network(model)
    probabilities = network.run(test[0])[0]
    result = {
        "accuracy": (probabilities.argmax(axis=1) == test[1]).mean(),
        "loss": -np.log(probabilities[np.arange(len(test[1])), test[1]]).mean(),
        "calibration error": calibration_error(probabilities, test[1]),
    }
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if OUTPUT_KEY not in metadata:
        return result
    threshold = float(metadata[THRESHOLD_KEY])

    def accepted(images):
        return network.run(images)[3][:, 0] >= threshold

    names, images = photos(data / "photos")
    known = np.isin(names, sum(PHOTOS_OF_KNOWN_CLASSES.values(), []))
    is_accepted = accepted(images)
    result |= {
        "threshold": threshold,
        "accepted of CIFAR-10's test images": accepted(test[0]).mean(),
        "photos of other things": int((~known).sum()),
        "refused of them": int((~is_accepted[~known]).sum()),
        "photos of known classes": int(known.sum()),
        "accepted of them": int(is_accepted[known].sum()),
        "accepted other photos": [
            name for name, other in zip(names, is_accepted & ~known) if other
        ],
        "accepted of 2,002 photos of cats and dogs":
            accepted(cats_and_dogs(data / "cats-dogs" / "cats-dogs.tar")).mean(),
        "refused of 2,000 images of MNIST":
            1 - accepted(digits(next((data / "mnist").glob("t10k-images*")))).mean(),
        "refused of 2,000 images of Fashion-MNIST":
            1 - accepted(digits(next((data / "fashion-mnist").glob("t10k-images*")))).mean(),
    }  # fmt: skip
    return result


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=pathlib.Path, help="the network, an ONNX file")
    parser.add_argument("--output", type=pathlib.Path, help="where to write it, calibrated")
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        default=os.environ.get("GRAFT_TEST_DATA"),
        help="the folder with cifar10, photos and the others (default: GRAFT_TEST_DATA)",
    )
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("set GRAFT_TEST_DATA, or give --data")
    model = onnx.load(arguments.model)
    class_names = pickle.loads((arguments.data / "cifar10" / "batches.meta").read_bytes())[
        "label_names"
    ]
    batches, (test_labels, test_images) = make_cifar.parts(
        arguments.data / "cifar10", True, None, class_names
    )
    test = (test_images, test_labels)
    report = {arguments.model.name: figures(model, arguments.data, test)}
    if arguments.output:
        if any(output.name == SCORE for output in model.graph.output):
            parser.error(f"{arguments.model} is calibrated already; give the model.onnx of its run")
        labels = np.concatenate([labels for labels, _ in batches])
        images = np.concatenate([images for _, images in batches])
        training, validation = recipe_split(labels)
        model, temperature = calibrated(
            model, (images[training], labels[training]), (images[validation], labels[validation])
        )
        onnx.save(model, arguments.output)
        report["temperature"] = temperature
        report[arguments.output.name] = figures(model, arguments.data, test)
    text = json.dumps(report, indent=2)
    print(text)


if __name__ == "__main__":
    main()
