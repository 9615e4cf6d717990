"""Labels and scores, by infer, convert, finetune and evaluate."""

import json
import pathlib
import shutil

import numpy
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ["--preprocess", "unit"]


def save_scores(path, weights, bias=None, ending=(), metadata=None, rank=2):
    """A model of the means of an image's channels: `weights` [3, K] and `bias` make the scores."""
    weights = numpy.asarray(weights, numpy.float32)
    bias = numpy.zeros(weights.shape[1]) if bias is None else bias
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["scores"]),
    ]
    for number, operator in enumerate(ending):
        nodes.append(helper.make_node(operator, [nodes[-1].output[0]], [f"e{number}"]))
    constants = [
        onnx.numpy_helper.from_array(weights, "w"),
        onnx.numpy_helper.from_array(numpy.asarray(bias, numpy.float32), "b"),
    ]
    if rank == 1:
        constants.append(onnx.numpy_helper.from_array(numpy.array([1]), "axes"))
        nodes.append(helper.make_node("Squeeze", [nodes[-1].output[0], "axes"], ["squeezed"]))
    output = nodes[-1].output[0]
    shape = ["N", weights.shape[1]][:rank]
    graph = helper.make_graph(
        nodes,
        "scores",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, {"graft.preprocessing.name": "unit", **(metadata or {})})
    onnx.save(model, path)


def answers(infer, image, model, *arguments):
    result = infer(image, "--model", model, "--json", "--top-k", 9, *arguments)
    assert result.status == 0, result.errors
    return json.loads(result.output)["predictions"], result.errors


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path)
    return path


# One score for two classes


@pytest.mark.parametrize(
    "name, accuracy, loss",
    [("model", 1, 0), ("model-sigmoid", 1, 0), ("model-bias", 0.5, 0.704355)],
)
def test_one_raw_score_gets_a_sigmoid(graft, faults, name, accuracy, loss):
    folder = faults / "binary-raw-logit"
    model = folder / f"{name}.onnx"
    arguments = [*UNIT, "--resize", "8x6"]
    result = graft("evaluate", model, folder / "pictures", *arguments, "--json")
    report = json.loads(result.output)
    assert report["accuracy"] == accuracy
    assert report["loss"] == pytest.approx(loss, abs=1e-5)
    for labels in [["--labels", folder / "two.txt"], []]:
        for label, index in [("a", 0), ("b", 1)]:
            image = folder / "pictures" / label / "0.png"
            found, errors = answers(graft_infer(graft), image, model, *arguments, *labels)
            assert {answer["index"] for answer in found} == {0, 1}
            assert sum(answer["probability"] for answer in found) == pytest.approx(1)
            if name == "model-bias":
                assert found[0]["index"] == 1
                assert found[0]["probability"] == pytest.approx(0.574443, abs=1e-5)
            else:
                assert found[0]["index"] == index
                assert found[0]["probability"] == pytest.approx(1, abs=1e-5)
            assert errors.count("logit") == (0 if name == "model-sigmoid" else 1)


def graft_infer(graft):
    return lambda *arguments: graft("infer", *arguments)


def test_scores_can_be_said(graft, infer, image, tmp_path):
    model = tmp_path / "scores.onnx"
    save_scores(model, [[0.25, 0.5, 0.25], [0] * 3, [0] * 3])
    softmax = numpy.exp([0.25, 0.5, 0.25]) / numpy.exp([0.25, 0.5, 0.25]).sum()

    def found(*arguments, model=model):
        predictions, errors = answers(infer, image, model, *arguments)
        by_index = sorted(predictions, key=lambda answer: answer["index"])
        return [answer["probability"] for answer in by_index], errors

    # They add up to 1, but the graph ends with a Gemm.
    values, errors = found()
    assert values == pytest.approx(softmax, abs=1e-6) and errors.count("--scores") == 1
    values, errors = found("--scores", "logits")
    assert values == pytest.approx(softmax, abs=1e-6) and not errors
    assert found("--scores", "probabilities")[0] == pytest.approx([0.25, 0.5, 0.25], abs=1e-6)
    independent = 1 / (1 + numpy.exp([-0.25, -0.5, -0.25]))
    assert found("--scores", "sigmoid")[0] == pytest.approx(independent, abs=1e-6)
    # The given labels are written to the model.
    said = tmp_path / "said.onnx"
    assert graft("convert", model, said, "--scores", "sigmoid").status == 0
    values, errors = found(model=said)
    assert values == pytest.approx(independent, abs=1e-6) and not errors
    assert found("--scores", "logits", model=said)[0] == pytest.approx(softmax, abs=1e-6)


def test_independent_classes_keep_their_probabilities(infer, image, tmp_path):
    model = tmp_path / "scores.onnx"
    save_scores(model, [[3.0, 2.0, -4.0], [0] * 3, [0] * 3], ending=["Sigmoid"])
    predictions, errors = answers(infer, image, model)
    assert [answer["probability"] for answer in predictions] == pytest.approx(
        1 / (1 + numpy.exp([-3.0, -2.0, 4.0])), abs=1e-6
    )
    assert not errors
    # The second start reads the compiled form.
    assert answers(infer, image, model)[0] == predictions


def test_what_is_no_probability_is_never_shown_as_one(infer, image, tmp_path):
    model = tmp_path / "scores.onnx"
    save_scores(model, [[30.0, -5.0], [0] * 2, [0] * 2])
    result = infer(image, "--model", model, "--scores", "probabilities")
    assert result.status == 65 and "30.0, which is not a probability" in result.errors
    assert "%" not in result.output


def test_a_squeezed_score_is_one_for_each_image(graft, infer, image, tmp_path):
    for label, color in [("dark", (0, 0, 0)), ("red", (255, 0, 0))]:
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(5):
            Image.new("RGB", (4, 4), color).save(tmp_path / "data" / label / f"{index}.png")
    model = tmp_path / "scores.onnx"
    save_scores(model, [[8.0], [0.0], [0.0]], bias=[-4.0], rank=1)
    result = graft("evaluate", model, tmp_path / "data", "--json", "--batch-size", 3)
    assert result.status == 0, result.errors
    assert json.loads(result.output)["accuracy"] == 1
    assert answers(infer, image, model)[0][0]["index"] == 1


# Labels


def test_label_files_of_the_report(graft, infer, faults, tmp_path):
    folder = faults / "labels-file"
    image = tmp_path / "image.png"
    Image.new("RGB", (8, 6), (9, 8, 7)).save(image)
    model = folder / "model.onnx"
    arguments = [image, "--model", model, *UNIT, "--resize", "8x6", "--json"]
    result = infer(*arguments, "--labels", folder / "bom.txt")
    labels = {answer["label"] for answer in json.loads(result.output)["predictions"]}
    assert "cat" in labels and not any("\ufeff" in label for label in labels)
    (tmp_path / "two.txt").write_text("a\nb\n")
    for file in [folder / "four-for-three.txt", tmp_path / "two.txt"]:
        result = infer(*arguments, "--labels", file)
        assert result.status == 65 and not result.output
        assert "labels, but the model has 3 classes" in result.errors
        result = graft("convert", model, tmp_path / "out.onnx", "--labels", file)
        assert result.status == 65 and "labels, but the model has 3 classes" in result.errors
        assert not (tmp_path / "out.onnx").exists()


def test_labels_in_a_model_that_do_not_fit_are_an_error(infer, image, tmp_path):
    model = tmp_path / "scores.onnx"
    save_scores(model, numpy.eye(3), metadata={"graft.labels": "a\nb\nc\nd"})
    result = infer(image, "--model", model)
    assert result.status == 65
    assert (
        "metadata 'graft.labels': there are 4 labels, but the model has 3 classes" in result.errors
    )


@pytest.mark.parametrize("text", ['["a", "b"', "[1, 2, 3]", '{"0": "a", "1": "b", "2": "c"}'])
def test_labels_in_a_model_that_are_broken(graft, infer, image, tmp_path, text):
    model = tmp_path / "scores.onnx"
    save_scores(model, numpy.eye(3), metadata={"graft.labels": text})
    for result in [infer(image, "--model", model), graft("convert", model, tmp_path / "out.onnx")]:
        assert result.status == 65 and not result.output
        assert (
            f"{model}: metadata 'graft.labels': is neither a JSON array of names" in result.errors
        )
    # As the message suggests.
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    labels = ["--labels", tmp_path / "labels.txt"]
    assert infer(image, "--model", model, *labels).status == 0
    assert graft("convert", model, tmp_path / "out.onnx", *labels).status == 0
    assert infer(image, "--model", tmp_path / "out.onnx").status == 0


def test_labels_hold_line_breaks(graft, infer, faults, tmp_path):
    folder = faults / "label-with-newline"
    labels = ["cat", "golden\nretriever", "zebra"]
    turned = tmp_path / "folders"
    for color, label in [("green", "cat"), ("red", "golden\nretriever"), ("blue", "zebra")]:
        shutil.copytree(folder / "pictures" / color, turned / label)
    for name, data in [("csv", folder / "labels.csv"), ("folders", turned)]:
        run = tmp_path / f"run-{name}"
        result = graft(
            "finetune",
            data,
            "--model",
            folder / "model.onnx",
            *UNIT,
            "--resize",
            16,
            "--epochs",
            2,
            "--threads",
            1,
            "-o",
            run,
        )
        assert result.status == 0, result.errors
        found, _ = answers(infer, folder / "pictures" / "blue" / "0.png", run / "model.onnx")
        by_index = sorted(found, key=lambda answer: answer["index"])
        assert [answer["label"] for answer in by_index] == labels
        properties = {p.key: p.value for p in onnx.load(run / "model.onnx").metadata_props}
        assert json.loads(properties["graft.labels"]) == labels
        result = graft("evaluate", run / "model.onnx", data, "--json")
        assert result.status == 0, result.errors
        report = json.loads(result.output)
        assert report["count"] == 18 and report["classes"] == labels


@pytest.mark.parametrize("text", ['["a", "b", "c"', "[1, 2, 3]", '[\n"a",\n"b"'])
def test_label_files_of_broken_json(infer, image, tmp_path, text):
    model = tmp_path / "scores.onnx"
    save_scores(model, numpy.eye(3))
    labels = tmp_path / "labels.json"
    labels.write_text(text)
    result = infer(image, "--model", model, "--labels", labels)
    assert result.status == 65 and not result.output
    assert f"{labels}: is not a list of labels: it starts like JSON" in result.errors


@pytest.mark.parametrize(
    "name, is_near", [("imagnet", True), ("ImageNet", True), ("my.txt", False)]
)
def test_near_names_of_labels(infer, image, tmp_path, name, is_near):
    model = tmp_path / "scores.onnx"
    save_scores(model, numpy.eye(3))
    result = infer(image, "--model", model, "--labels", name, cwd=tmp_path)
    assert result.status == 66 and name in result.errors
    assert ("Did you mean 'imagenet'?" in result.errors) == is_near


# ImageNet


@pytest.fixture
def imagenet_model(tmp_path):
    """1,000 classes: black is tench, red is 7 (cock), green is 517 (one of two cranes)."""
    weights = numpy.zeros((3, 1000), numpy.float32)
    weights[0, 7] = weights[1, 517] = 50
    bias = numpy.zeros(1000, numpy.float32)
    bias[0] = 10
    path = tmp_path / "imagenet.onnx"
    save_scores(path, weights, bias, ["Softmax"])
    return path


@pytest.fixture
def imagenet_folder(tmp_path):
    colors = {"n01440764": (0, 0, 0), "n01514668": (255, 0, 0), "n03126707": (0, 255, 0)}
    for name, color in colors.items():
        folder = tmp_path / "val" / name
        folder.mkdir(parents=True)
        for index in range(2):
            Image.new("RGB", (4, 4), color).save(folder / f"{index}.JPEG")
    return tmp_path / "val"


def test_imagenet_labels_are_built_in(graft, infer, image, imagenet_model, tmp_path):
    found, _ = answers(infer, image, imagenet_model, "--labels", "imagenet")
    assert found[0]["label"] == "cock"
    assert graft("convert", imagenet_model, tmp_path / "l.onnx", "--labels", "imagenet").status == 0
    assert answers(infer, image, tmp_path / "l.onnx")[0][0]["label"] == "cock"


def test_folders_of_wordnet_names(graft, data, imagenet_model, imagenet_folder, tmp_path):
    words = tmp_path / "words.txt"
    index = json.loads((data / "photos" / "imagenet_class_index.json").read_text())
    words.write_text(
        "".join(f"{index[str(i)][0]} {index[str(i)][1]}, other\r\n" for i in range(1000))
    )
    files = [["--labels", "imagenet"], [], ["--labels", words]]
    files.append(["--labels", data / "photos" / "imagenet_class_index.json"])
    for arguments in files:
        result = graft("evaluate", imagenet_model, imagenet_folder, "--json", *arguments)
        assert result.status == 0, result.errors
        assert json.loads(result.output)["accuracy"] == 1, arguments


@pytest.mark.parametrize(
    "count, rank, classes", [(5, 2, "5 classes"), (1, 2, "1 score"), (1, 1, "1 score")]
)
def test_classes_of_the_data_are_not_called_labels(graft, tmp_path, count, rank, classes):
    for label in "abc":
        (tmp_path / "data" / label).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "data" / label / "0.png")
    model = tmp_path / "scores.onnx"
    # Where the output has one axis, only its values tell how many classes there are.
    save_scores(model, numpy.ones((3, count)), rank=rank)
    result = graft("evaluate", model, tmp_path / "data")
    assert result.status == 65
    assert f"{classes} without names, but the data have 3: a, b, c" in result.errors
    assert "labels, but" not in result.errors


def test_an_output_of_open_shape_has_its_classes(graft, imagenet_model, imagenet_folder, tmp_path):
    """Exporters leave shapes open that follow from the input's."""
    model = onnx.load(imagenet_model)
    for dimension in model.graph.output[0].type.tensor_type.shape.dim:
        dimension.Clear()
    onnx.save(model, tmp_path / "open.onnx")
    # The second time the model comes from the cache.
    for _ in range(2):
        result = graft("evaluate", tmp_path / "open.onnx", imagenet_folder, "--json")
        assert result.status == 0, result.errors
        assert json.loads(result.output)["accuracy"] == 1
    shutil.move(imagenet_folder / "n01440764", imagenet_folder / "tench of mine")
    result = graft("evaluate", tmp_path / "open.onnx", imagenet_folder)
    assert result.status == 65
    assert "1000 classes without names, but the data have 3: n01514668" in result.errors


def test_the_ids_are_those_of_keras(data):
    index = json.loads((data / "photos" / "imagenet_class_index.json").read_text())
    ids = (ROOT / "models" / "imagenet-wordnet-ids.txt").read_text().split()
    assert ids == [index[str(number)][0] for number in range(1000)]


def test_a_table_is_no_list_of_labels(infer, data, image, imagenet_model):
    result = infer(image, "--model", imagenet_model, "--labels", data / "photos" / "labels.tsv")
    assert result.status == 65 and "a table of 4 columns" in result.errors
