"""Trunks as exporters leave them: training modes, batches of one, names of layers, old metadata."""

import json
import pathlib
import tarfile

import numpy
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper


def finetune(graft, folder, output, *options, model="model.onnx"):
    return graft(
        "finetune", folder / "pictures", "--model", folder / model, "--preprocess", "unit",
        "--resize", 16, "--epochs", 2, "--threads", 1, "--output", output, *options,
    )  # fmt: skip


def losses(run):
    rows = [row.split(",") for row in (run / "log.csv").read_text().splitlines()]
    return [row[:7] for row in rows]


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


# Training mode


def test_frozen_training_modes_are_inference(graft, infer, faults, tmp_path):
    folder = faults / "trunk-batchnorm-training-mode"
    runs = {
        "default": (),
        "small": ("--batch-size", 4),
        "no-cache": ("--batch-size", 4, "--no-feature-cache"),
    }
    for name, options in runs.items():
        for model in ["model.onnx", "inference.onnx"]:
            run = tmp_path / f"{name}-{model}"
            result = finetune(graft, folder, run, *options, model=model)
            assert result.status == 0, result.errors
            assert ("exported in training mode" in result.errors) == (model == "model.onnx")
        # As with the same network in inference mode, cache or not.
        expected = losses(tmp_path / f"{name}-inference.onnx")
        assert losses(tmp_path / f"{name}-model.onnx") == expected
    assert losses(tmp_path / "small-model.onnx") == losses(tmp_path / "no-cache-model.onnx")
    exported = tmp_path / "default-model.onnx/model.onnx"
    for node in onnx.load(exported).graph.node:
        assert all(a.i == 0 for a in node.attribute if a.name == "training_mode")
    answers = [
        graft("evaluate", exported, folder / "pictures", "--batch-size", size, "--json").output
        for size in [1, 18]
    ]
    first, second = (json.loads(answer) for answer in answers)
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-6)


def test_features_are_those_of_running_statistics(graft, faults, tmp_path):
    """Trained without moving, the network answers as onnxruntime's does in inference mode, one by
    one or together.
    """
    folder = faults / "trunk-batchnorm-training-mode"
    result = finetune(
        graft,
        folder,
        tmp_path / "run",
        "--head",
        "keep",
        "--epochs",
        "1,0",
        "--learning-rate",
        1e-30,
    )
    assert result.status == 0, result.errors
    path = tmp_path / "run/model.onnx"
    assert [n.op_type for n in onnx.load(path).graph.node].count("BatchNormalization") == 2
    with numpy.load(folder / "expected.npz") as expected:
        images, running = expected["x"], expected["running"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    (together,) = session.run(None, {name: images})
    alone = numpy.concatenate([session.run(None, {name: image[None]})[0] for image in images])
    for answers in [together, alone]:
        numpy.testing.assert_allclose(answers, running, rtol=0, atol=1e-6)


def test_models_in_training_mode_are_warned_of(graft, infer, faults):
    folder = faults / "trunk-batchnorm-training-mode"
    options = ("--preprocess", "unit", "--resize", 16)
    image = next((folder / "pictures").rglob("*.png"))
    for result in [
        graft("evaluate", folder / "model.onnx", folder / "pictures", *options),
        infer(image, "--model", folder / "model.onnx", *options),
    ]:
        assert result.status == 0 and "depend on other images in the batch" in result.errors
    result = infer(image, "--model", folder / "inference.onnx", *options)
    assert result.status == 0 and "other images in the batch" not in result.errors


def test_dropout_in_training_mode_is_inference(graft, faults, tmp_path):
    folder = faults / "trunk-batchnorm-training-mode"
    model = onnx.load(folder / "inference.onnx")
    graph = model.graph
    graph.initializer.extend([
        helper.make_tensor("ratio", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("training", TensorProto.BOOL, [], [True]),
    ])  # fmt: skip
    first = graph.node[0]
    name = first.output[0]
    first.output[0] = "before_dropout"
    dropout = helper.make_node("Dropout", ["before_dropout", "ratio", "training"], [name], "drop")
    graph.node.insert(1, dropout)
    onnx.save(model, tmp_path / "dropout.onnx")
    for name, path in [("a", tmp_path / "dropout.onnx"), ("b", folder / "inference.onnx")]:
        result = finetune(graft, folder, tmp_path / name, model=path)
        assert result.status == 0, result.errors
        assert ("exported in training mode" in result.errors) == (name == "a")
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


# Batches of one


def test_a_batch_of_one_inside_is_freed(graft, faults, tmp_path):
    folder = faults / "reshape-with-batch-of-one"
    fixed = onnx.load(folder / "model.onnx")
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(fixed, tmp_path / "fixed.onnx")
    models = [folder / "model.onnx", tmp_path / "fixed.onnx"]
    for number, model in enumerate(models):
        result = finetune(graft, folder, tmp_path / f"{number}", model=model)
        assert result.status == 0, result.errors
    assert losses(tmp_path / "0") == losses(tmp_path / "1")
    options = ("--preprocess", "unit", "--resize", 16, "--json")
    answers = []
    for model in models:
        for size in [1, 32]:
            result = graft("evaluate", model, folder / "pictures", *options, "--batch-size", size)
            assert result.status == 0, result.errors
            answers.append(json.loads(result.output))
    for answer in answers[1:]:
        assert answer["confusion_matrix"] == answers[0]["confusion_matrix"]
        assert answer["loss"] == pytest.approx(answers[0]["loss"], rel=1e-6)


def batch_of_one_network(path, kind, batch):
    """A convolution, something that holds the batch of 1, and three scores."""
    random = numpy.random.default_rng(1)
    weights = {
        "kernel": random.normal(size=(4, 3, 4, 4)).astype("f4") / 4,
        "matrix": random.normal(size=(4, 3)).astype("f4"),
        "token": random.normal(size=(1, 4, 1)).astype("f4"),
    }
    shapes = {
        "reshape": [("Reshape", ["pooled", "to_vector"], {"to_vector": [1, 4]})],
        "open-reshape": [("Reshape", ["pooled", "to_vector"], {"to_vector": [1, -1]})],
        "lost": [
            ("Squeeze", ["pooled", "axes"], {"axes": [0, 2, 3]}),
            ("Unsqueeze", ["0", "zero"], {"zero": [0]}),
        ],
        "transpose": [
            ("Reshape", ["pooled", "to_rows"], {"to_rows": [4, 1]}),
            ("Transpose", ["0"], {}),
        ],
        "expand": [
            ("Squeeze", ["pooled", "axes"], {"axes": [2, 3]}),
            ("Expand", ["0", "one"], {"one": [1, 4]}),
        ],
        "tile": [
            ("Flatten", ["pooled"], {}),
            ("Tile", ["0", "times"], {"times": [1, 1]}),
        ],
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["c"], "conv", strides=[4, 4]),
    ]
    integers = {}
    if kind == "concat":
        integers = {"to_tokens": [0, 4, -1], "last": [2]}
        nodes += [
            helper.make_node("Reshape", ["c", "to_tokens"], ["t"]),
            helper.make_node("Concat", ["token", "t"], ["joined"], axis=2),
            helper.make_node("ReduceMean", ["joined", "last"], ["vector"], keepdims=0),
        ]
    else:
        nodes.append(helper.make_node("GlobalAveragePool", ["c"], ["pooled"]))
        last = "pooled"
        for index, (operator, inputs, constants) in enumerate(shapes[kind]):
            integers |= constants
            last = str(index)
            nodes.append(helper.make_node(operator, inputs, [last], f"{kind}{index}"))
        nodes.append(helper.make_node("Identity", [last], ["vector"]))
    nodes.append(helper.make_node("MatMul", ["vector", "matrix"], ["scores"], "scores"))
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 16])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in weights.items()]
        + [numpy_helper.from_array(numpy.array(v), k) for k, v in integers.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.save(model, path)


KINDS = ["reshape", "open-reshape", "lost", "transpose", "expand", "tile", "concat"]


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_one_of_all_kinds(graft, faults, tmp_path, kind, batch):
    """Several images at once and one by one come to the same."""
    images = faults / "reshape-with-batch-of-one/pictures"
    batch_of_one_network(tmp_path / "model.onnx", kind, batch)
    options = ("--preprocess", "unit", "--resize", 16)
    answers = []
    for size in [1, 7]:
        result = graft(
            "evaluate", tmp_path / "model.onnx", images, *options, "--json",
            "--batch-size", size,
        )  # fmt: skip
        assert result.status == 0, result.errors
        answers.append(json.loads(result.output))
        # Where it cannot be freed, it is said once.
        assert result.errors.count("one image at a time") <= (size > 1)
    assert answers[0]["confusion_matrix"] == answers[1]["confusion_matrix"]
    assert answers[0]["loss"] == pytest.approx(answers[1]["loss"], rel=1e-6)
    result = graft(
        "finetune", images, "--model", tmp_path / "model.onnx", *options, "--epochs", "2,0",
        "--threads", 1, "--output", tmp_path / "run", "--batch-size", 5,
    )  # fmt: skip
    assert result.status == 0, result.errors
    values = [
        json.loads(
            graft(
                "evaluate", tmp_path / "run/model.onnx", images, "--json", "--batch-size", s
            ).output
        )["loss"]
        for s in [1, 6]
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


# Names of layers


def train_layers(graft, faults, output, *options):
    """The model of a run of three epochs with the given options for trained layers."""
    result = graft(
        "finetune", faults / "evaluate-on-trained-pictures/pictures",
        "--model", faults / "layer-names/model.onnx", "--preprocess", "unit", "--resize", 16,
        "--threads", 1, "--epochs", 3, *options, "--output", output,
    )  # fmt: skip
    assert result.status == 0, result.errors
    return (output / "model.onnx").read_bytes()


@pytest.fixture(scope="module")
def named_by_weights(program, faults, tmp_path_factory):
    """The models of the runs that unfreeze and freeze the weights of a layer by their own names."""
    folder = tmp_path_factory.mktemp("by-weights")
    return {
        option: train_layers(
            program("graft", folder), faults, folder / option, option, "onnx::Conv_40,onnx::Conv_41"
        )
        for option in ["--unfreeze", "--freeze"]
    }


@pytest.mark.parametrize("name", ["/layer3/conv/Conv", "layer3", "/layer3", "layer3.conv"])
def test_layers_have_the_names_that_inspect_lists(graft, faults, named_by_weights, tmp_path, name):
    assert named_by_weights["--unfreeze"] != named_by_weights["--freeze"]
    for option, expected in named_by_weights.items():
        assert train_layers(graft, faults, tmp_path / option, option, name) == expected
    train_layers(
        graft, faults, tmp_path / "factors", "--unfreeze", "all",
        "--learning-rate-factors", f"{name}=0",
    )  # fmt: skip


def test_cuts_have_the_names_that_inspect_lists(graft, faults, tmp_path):
    images = faults / "evaluate-on-trained-pictures/pictures"
    model = faults / "layer-names/model.onnx"
    common = (
        "finetune", images, "--model", model, "--preprocess", "unit", "--resize", 16,
        "--threads", 1, "--epochs", "1,0",
    )  # fmt: skip
    for output, cut in [("a", "/layer2/relu/Relu"), ("b", "layer2")]:
        result = graft(*common, "--cut", cut, "--output", tmp_path / output)
        assert result.status == 0, result.errors
        # The message names the node that a prefix selects.
        assert ("the head reads" in result.errors) == (cut == "layer2")
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()


@pytest.mark.parametrize("option", ["--freeze", "--unfreeze", "--learning-rate-factors", "--cut"])
def test_near_names_of_layers_are_suggested(graft, faults, tmp_path, option):
    value = "/layer3/conv/Cnv" + ("=1" if option == "--learning-rate-factors" else "")
    result = graft(
        "finetune", faults / "evaluate-on-trained-pictures/pictures",
        "--model", faults / "layer-names/model.onnx", "--preprocess", "unit", "--resize", 16,
        option, value, "--output", tmp_path / "run",
    )  # fmt: skip
    assert result.status == 64 and "'/layer3/conv/Conv'" in result.errors, result.errors


def test_layers_without_weights_are_named(graft, faults, tmp_path):
    result = graft(
        "finetune", faults / "evaluate-on-trained-pictures/pictures",
        "--model", faults / "layer-names/model.onnx", "--preprocess", "unit", "--resize", 16,
        "--unfreeze", "/layer3/relu/Relu", "--output", tmp_path / "run",
    )  # fmt: skip
    assert result.status == 64 and "no weights" in result.errors, result.errors


# Metadata


def test_metadata_follow_the_head(graft, infer, faults, tmp_path):
    folder = faults / "trunk-names-kept"
    old = metadata(folder / "model.onnx")
    assert finetune(graft, folder, tmp_path / "run").status == 0
    new = metadata(tmp_path / "run/model.onnx")
    assert new["names"] == "{0: 'blue', 1: 'green', 2: 'red'}"
    for key in ["author", "license"]:
        assert new.get(key) == old.get(key)
    if "imgsz" in old:
        assert new["imgsz"] == "[16, 16]"
    result = infer(
        folder / "pictures/red/0.png", "--model", folder / "model.onnx", "--preprocess", "unit",
        "--resize", 16, "--json",
    )  # fmt: skip
    labels = {p["label"] for p in json.loads(result.output)["predictions"]}
    assert labels == {"apple", "pear", "fig"}


OLD = {
    "imgsz": "[224, 224]", "stride": "1", "task": "classify", "batch": "1", "nc": "3",
    "id2label": '{"0": "a", "1": "b", "2": "c"}', "label2id": '{"a": 0, "b": 1, "c": 2}',
    "num_classes": "3", "class_names": '["a", "b", "c"]', "classes": "a,b,c", "Labels": "a\nb\nc",
    "input_size": "(3, 224, 224)", "pretrained_cfg": "{}", "author": "me", "license": "MIT",
    "CustomVision.Preprocess.CropHeight": "224", "version": "8",
}  # fmt: skip


def with_metadata(source, target, entries):
    model = onnx.load(source)
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, target)


def test_no_key_of_the_old_head_stays(graft, faults, tmp_path):
    folder = faults / "trunk-names-kept"
    with_metadata(folder / "model.onnx", tmp_path / "old.onnx", OLD)
    assert finetune(graft, folder, tmp_path / "run", model=tmp_path / "old.onnx").status == 0
    new = metadata(tmp_path / "run/model.onnx")
    kept = {key: value for key, value in new.items() if not key.startswith("graft.")}
    assert kept == {"imgsz": "[16, 16]", "author": "me", "license": "MIT", "version": "8"}


@pytest.mark.parametrize(
    "key,value,expected",
    [
        ("names", "{0: 'x', 1: \"it's\", 2: 'z\\u00e9'}", ["x", "it's", "zé"]),
        ("names", "{2: 'z', 0: 'x', 1: 'y',}", ["x", "y", "z"]),
        ("names", "['x', 'y', 'z']", ["x", "y", "z"]),
        ("id2label", '{"0": "x", "1": "y", "2": "\\ud83d\\ude00"}', ["x", "y", "😀"]),
        ("label2id", '{"x": 0, "z": 2, "y": 1}', ["x", "y", "z"]),
        ("class_names", "x\ny\nz\n", ["x", "y", "z"]),
        ("classes", "x, y, z", ["x", "y", "z"]),
        # Nothing is evaluated, and values that do not fit are skipped.
        ("names", "{0: __import__('os').system('touch pwned'), 1: 'y', 2: 'z'}", None),
        ("names", "{0: 'x', 1: 'y'}", None),
        ("names", "{0: 'x', 99999999999: 'y', 2: 'z'}", None),
        ("names", "{-1: 'x', 1: 'y', 2: 'z'}", None),
        ("names", "{0: 'x', 1: 'y', 2: 'z'", None),
        ("names", "[[[[[['x'", None),
        ("names", "{0: 'x\\", None),
        ("names", "", None),
        ("classes", "3", None),
    ],
)
def test_class_names_of_other_tools_are_read(infer, faults, tmp_path, key, value, expected):
    folder = faults / "trunk-names-kept"
    with_metadata(folder / "model.onnx", tmp_path / "m.onnx", {key: value})
    result = infer(
        folder / "pictures/red/0.png", "--model", tmp_path / "m.onnx", "--preprocess", "unit",
        "--resize", 16, "--json",
    )  # fmt: skip
    assert result.status == 0, result.errors
    predictions = sorted(json.loads(result.output)["predictions"], key=lambda p: p["index"])
    assert [p.get("label") for p in predictions] == (expected or [None] * 3)


# Evaluating


def test_images_that_were_trained_on_are_counted(graft, faults, tmp_path):
    folder = faults / "evaluate-on-trained-pictures"
    run = tmp_path / "run"
    assert finetune(graft, folder, run).status == 0
    model = run / "model.onnx"
    whole = graft("evaluate", model, folder / "pictures")
    assert whole.status == 0 and "trained on 29 of these 36 images" in whole.errors
    for part, count in [("training", 29), ("validation", 7)]:
        result = graft("evaluate", model, folder / "pictures", "--part", part, "--json")
        assert result.status == 0, result.errors
        assert json.loads(result.output)["count"] == count
    expected = json.loads((run / "evaluation.json").read_text())
    found = json.loads(result.output)
    assert found["confusion_matrix"] == expected["confusion_matrix"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    result = graft("evaluate", model, folder / "pictures", "--part", "test")
    assert result.status == 64, result.errors


def test_images_are_known_by_content(graft, faults, tmp_path):
    folder = faults / "evaluate-on-trained-pictures"
    run = tmp_path / "run"
    assert finetune(graft, folder, run).status == 0
    moved = tmp_path / "moved"
    for index, path in enumerate(sorted((folder / "pictures").rglob("*.png"))):
        target = moved / path.parent.name / f"other-{index}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    result = graft("evaluate", run / "model.onnx", moved, "--part", "validation", "--json")
    assert result.status == 0 and json.loads(result.output)["count"] == 7
    # Another model beside a table of images is none of that run.
    other = tmp_path / "run/copy.onnx"
    other.write_bytes((run / "model.onnx").read_bytes())
    result = graft("evaluate", other, folder / "pictures")
    assert result.status == 0 and "trained on" not in result.errors


def test_images_too_small_for_the_network_say_which_are_not(graft, faults, tmp_path):
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]> g (float[N, 3, H, W] x) => (float[N, 3] y) {
          a = MaxPool<kernel_shape = [4, 4], strides = [4, 4]>(x)
          b = MaxPool<kernel_shape = [4, 4], strides = [4, 4]>(a)
          c = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(b)
          p = GlobalAveragePool(c)
          y = Flatten(p)
        }"""
    )
    onnx.save(model, tmp_path / "m.onnx")
    words = [
        "finetune",
        faults / "evaluate-on-trained-pictures/pictures",
        "--model",
        tmp_path / "m.onnx",
    ]
    words += [
        "--preprocess",
        "unit",
        "--cut",
        "c",
        "--epochs",
        "1,0",
        "--threads",
        1,
        "--output",
        tmp_path / "run",
    ]
    result = graft(*words, "--image-size", 16)
    assert result.status == 64
    assert "images of 16x16 are too small for the network" in result.errors
    assert "--image-size 32" in result.errors
    assert graft(*words, "--image-size", 32).status == 0


# Preparation


def test_a_few_images_tell_how_they_are_prepared(graft, data, tmp_path):
    """SqueezeNet's file does not say that it was trained with keras-caffe's numbers."""
    with tarfile.open(data / "cats-dogs/cats-dogs.tar") as archive:
        for member in archive:
            name = pathlib.PurePath(member.name).name
            if member.isfile() and int(name.split(".")[1]) < 24:
                (tmp_path / "images").mkdir(exist_ok=True)
                (tmp_path / "images" / name).write_bytes(archive.extractfile(member).read())
    model = data / "onnx/squeezenet-fp16/SqueezeNet_fp16.onnx"

    def page(run):
        return (run / "report.html").read_text()

    def run(name, *options):
        return graft(
            "finetune", tmp_path / "images", "--model", model, "--epochs", "1,0",
            "--output", tmp_path / name, *options,
        )  # fmt: skip

    first = run("assumed")
    assert first.status == 0, first.errors
    assert "assuming 'torch'" in first.errors
    assert "on 32 images 'keras-caffe' separates the classes better" in first.errors
    assert first.errors == run("again").errors
    # It is still there at the end, and when the run continues.
    note = "on 32 images 'keras-caffe' separates the classes better"
    assert first.errors.count(note) == 2 and note in first.errors.splitlines()[-1]
    assert note in page(tmp_path / "assumed")
    assert note in json.loads((tmp_path / "assumed/evaluation.json").read_text())["notes"][0]
    more = graft(
        "finetune",
        tmp_path / "images",
        "--output",
        tmp_path / "assumed",
        "--resume",
        "--epochs",
        "2,0",
    )
    assert more.status == 0 and note in more.errors.splitlines()[-1], more.errors
    assert note in page(tmp_path / "assumed")
    told = run("told", "--preprocess", "keras-caffe")
    assert told.status == 0 and "images '" not in told.errors
    assert "separates the classes" not in page(tmp_path / "told")
    assert "notes" not in json.loads((tmp_path / "told/evaluation.json").read_text())
