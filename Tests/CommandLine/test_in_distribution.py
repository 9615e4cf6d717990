"""Images that show none of a model's classes."""

import gzip
import json
import sys

import numpy
import onnx
import onnx.parser
import pytest
from conftest import ROOT
from PIL import Image

EMBEDDED = ROOT / "models" / "cifar10-resnet9.onnx"
OUTPUT = "graft.in_distribution.output"
THRESHOLD = "graft.in_distribution.threshold"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CORAL = "n01917289_brain_coral.JPEG"


@pytest.fixture
def described(tmp_path):
    """Writes the embedded network with other metadata; None removes a key."""

    def write(**values):
        model = onnx.load(EMBEDDED)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        metadata |= {{"output": OUTPUT, "threshold": THRESHOLD}[key]: values[key] for key in values}
        onnx.helper.set_model_props(
            model, {key: value for key, value in metadata.items() if value is not None}
        )
        onnx.save(model, tmp_path / "described.onnx")
        return tmp_path / "described.onnx"

    return write


@pytest.fixture(scope="session")
def cifar(data, tmp_path_factory):
    """CIFAR-10's first 1,000 test images, in a folder for each class."""
    folder = tmp_path_factory.mktemp("cifar")
    file = gzip.open(data / "cifar10" / "lossless_test_first1000.bin.gz")
    records = numpy.frombuffer(file.read(), numpy.uint8).reshape(-1, 3073)
    for name in CLASSES:
        (folder / name).mkdir()
    for number, record in enumerate(records):
        samples = record[1:].reshape(3, 32, 32).transpose(1, 2, 0)
        Image.fromarray(samples).save(folder / CLASSES[record[0]] / f"{number:04}.png")
    return folder


def answers(result):
    assert result.status == 0, result.errors
    return [json.loads(line) for line in result.output.splitlines()]


def test_coral_is_none_of_the_classes(infer, data):
    coral = data / "photos" / CORAL
    result = infer(coral)
    assert result.status == 0, result.errors
    assert f"none of my ten classes ({', '.join(CLASSES)}), most like cat" in result.output
    # A probability would say the opposite.
    assert "%" not in result.output
    [answer] = answers(infer(coral, "--json"))
    assert answer["in_distribution"] is False
    assert answer["predictions"][0]["label"] == "cat"
    metadata = {entry.key: entry.value for entry in onnx.load(EMBEDDED).metadata_props}
    assert answer["in_distribution_score"] < float(metadata[THRESHOLD])


def test_image_of_a_class_is_accepted(infer, cifar):
    ship = cifar / "ship" / "0001.png"
    result = infer(ship)
    assert result.status == 0, result.errors
    assert f"  of my ten classes ({', '.join(CLASSES)}):\n  ship" in result.output
    [answer] = answers(infer(ship, "--json"))
    assert answer["in_distribution"] is True


def test_shares_of_the_model_card(infer, graft, data, cifar):
    [report] = answers(graft("evaluate", "cifar10", cifar, "--json"))
    assert report["count"] == 1000
    assert report["accuracy"] == pytest.approx(0.905)
    assert report["in_distribution_share"] >= 0.9
    sys.path.insert(0, str(ROOT / "Tests" / "Fixtures"))
    from calibrate_cifar10 import PHOTOS_OF_KNOWN_CLASSES

    known = sum(PHOTOS_OF_KNOWN_CLASSES.values(), [])
    rows = [line.split("\t") for line in (data / "photos" / "labels.tsv").read_text().splitlines()]
    others = [data / "photos" / row[0] for row in rows if row[3] not in known]
    assert len(others) == 49
    refused = [not answer["in_distribution"] for answer in answers(infer(*others, "--json"))]
    assert sum(refused) >= len(others) / 2


@pytest.mark.parametrize(
    "values, message",
    [
        ({"threshold": "nan"}, "invalid value 'nan'"),
        ({"threshold": "-inf"}, "invalid value '-inf'"),
        ({"threshold": "1e400"}, "invalid value '1e400'"),
        ({"threshold": "many"}, "invalid value 'many'"),
        ({"threshold": None}, "it is missing"),
        ({"output": None}, "it is missing"),
        ({"output": "nothing"}, "no output 'nothing'"),
        ({"output": "probabilities"}, "not one score for each of 1 images"),
    ],
)
def test_metadata_that_make_no_sense(infer, faults, described, values, message):
    result = infer(faults / "no-proc-arguments/picture.png", "--model", described(**values))
    assert result.status == 65, result.output
    assert "graft.in_distribution." in result.errors
    assert message in result.errors


def test_the_threshold_decides(infer, faults, described):
    image = faults / "no-proc-arguments/picture.png"
    for threshold, is_accepted in [("-1e30", True), ("1e30", False)]:
        [answer] = answers(infer(image, "--json", "--model", described(threshold=threshold)))
        assert answer["in_distribution"] is is_accepted
    [answer] = answers(infer(image, "--json", "--model", described(output=None, threshold=None)))
    assert set(answer) == {"file", "predictions"}


@pytest.mark.parametrize("number, score", [(0.0, "nan"), (1.0, "inf"), (-1.0, "-inf")])
def test_scores_that_are_not_finite(infer, graft, tmp_path, number, score):
    """The score of an image is the number divided by the sum of its channels."""
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 13]>
        g (float[N, 3, 4, 4] x) => (float[N, 3] y, float[N] score) {
          s = GlobalAveragePool(x)
          f = Flatten<axis = 1>(s)
          y = Softmax<axis = 1>(f)
          axes = Constant<value = int64[1] {1}>()
          t = ReduceSum<keepdims = 0>(f, axes)
          score = Div(c, t)
        }"""
    )
    model.graph.initializer.append(
        onnx.helper.make_tensor("c", onnx.TensorProto.FLOAT, [], [number])
    )
    onnx.helper.set_model_props(
        model, {OUTPUT: "score", THRESHOLD: "-9", "graft.preprocessing.name": "unit"}
    )
    onnx.save(model, tmp_path / "m.onnx")
    for name, color in [("0", (0, 0, 0)), ("1", (255, 0, 0))]:
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(2):
            Image.new("RGB", (4, 4), color).save(tmp_path / "data" / name / f"{index}.png")
    black, red = (tmp_path / "data" / name / "0.png" for name in "01")
    result = infer(black, red, "--model", tmp_path / "m.onnx", "--json")
    assert result.status == 65
    assert str(black) in result.errors and str(red) not in result.errors
    assert f"in-distribution score is not a finite number ({score})" in result.errors
    [answer] = [json.loads(line) for line in result.output.splitlines()]
    assert answer["file"] == str(red) and answer["in_distribution"] is True
    # A result for many images has no answer for a single one.
    result = graft("evaluate", tmp_path / "m.onnx", tmp_path / "data", "--json")
    [report] = answers(result)
    assert "for 2 of 4 images" in result.errors
    assert report["unanswered"] == 2 and report["in_distribution_share"] == 0.5


def test_converted_models_keep_it(graft, infer, faults, tmp_path):
    assert graft("convert", "cifar10", tmp_path / "copy.onnx").status == 0
    image = faults / "no-proc-arguments/picture.png"
    [first], [second], [cached] = (
        answers(infer(image, "--json", *model))
        for model in [[], *[["--model", tmp_path / "copy.onnx"]] * 2]
    )
    assert first == second == cached
    assert "in_distribution_score" in first
