"""Image formats, damage, orientation and preparation, by infer, finetune and evaluate."""

import io
import json
import shutil

import numpy
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

UNIT = ["--preprocess", "unit"]


def save_means(path, element_type=TensorProto.FLOAT, shape=("N", 3, "H", "W"), casts=True):
    """A model that gives the mean of each channel, as probabilities: [N, 3]."""
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)]
    if shape[-1] == 3:
        nodes.append(helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]))
    nodes += [
        helper.make_node("GlobalAveragePool", [nodes[-1].output[0]], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("x", element_type, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, path)


def means(infer, path, model, *arguments):
    """The three numbers that the model gives, which --scores sigmoid keeps apart."""
    result = infer(path, "--model", model, "--scores", "sigmoid", "--json", *arguments)
    assert result.status == 0, result.errors
    answers = json.loads(result.output)["predictions"]
    values = [0.0] * 3
    for answer in answers:
        p = answer["probability"]
        values[answer["index"]] = float(numpy.log(p / (1 - p)))
    return values, result.errors


@pytest.fixture
def color_model(tmp_path):
    path = tmp_path / "means.onnx"
    save_means(path)
    return path


# Formats


def test_folders_of_ppm_are_read(graft, faults, tmp_path):
    folder = faults / "ppm-pictures"
    for name, count in [("only-ppm", 16), ("mixed", 16)]:
        images = [path for path in (folder / name).rglob("*") if path.suffix in (".ppm", ".png")]
        result = graft(
            "finetune", folder / name, "--model", folder / "model.onnx", *UNIT, "--resize", 16,
            "--epochs", 2, "--threads", 1, "-o", tmp_path / name,
        )  # fmt: skip
        assert result.status == 0, result.errors
        lines = (tmp_path / name / "split.csv").read_text().splitlines()
        assert len(lines) - 1 == len(images)


def test_ppm_gives_what_pillow_reads(infer, color_model, tmp_path):
    generator = numpy.random.default_rng(3)
    image = Image.fromarray(generator.integers(0, 256, (5, 7, 3)).astype(numpy.uint8))
    for name in ["a.ppm", "a.png"]:
        image.save(tmp_path / name)
    expected = numpy.asarray(image).mean((0, 1)) / 255
    for name in ["a.ppm", "a.png"]:
        found, _ = means(infer, tmp_path / name, color_model, *UNIT)
        numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_not_read_is_named(infer, color_model, tmp_path):
    file = tmp_path / "a.dds"
    Image.new("RGB", (4, 4)).save(file)
    result = infer(file, "--model", color_model, *UNIT)
    assert result.status == 65
    assert "a DDS image, which is not supported" in result.errors


@pytest.mark.parametrize("ending", ["gif", "tiff", "jp2", "webp"])
def test_formats_beside_jpeg_and_png(infer, color_model, tmp_path, ending):
    image = Image.new("RGB", (9, 7), (200, 100, 40))
    image.paste((10, 250, 30), (3, 2, 8, 6))
    options = {"lossless": True} if ending == "webp" else {}
    image.save(tmp_path / f"a.{ending}", **options)
    expected = numpy.asarray(image).mean((0, 1)) / 255
    found, _ = means(infer, tmp_path / f"a.{ending}", color_model, *UNIT)
    numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_16_bit_greys_are_scaled(infer, color_model, tmp_path):
    values = numpy.linspace(0, 65535, 60).astype(numpy.uint16).reshape(6, 10)
    Image.fromarray(values).save(tmp_path / "deep.png")
    found, _ = means(infer, tmp_path / "deep.png", color_model, *UNIT)
    numpy.testing.assert_allclose(found, (values >> 8).mean() / 255, atol=1e-5)


# Damage


@pytest.mark.parametrize(
    "name, reason",
    [
        ("crc2.png", "a checksum is wrong"),
        ("tr2.png", "the end of the file is missing"),
        ("tr3.png", "the end of the file is missing"),
    ],
)
def test_png_is_decoded_as_far_as_pillow_does(infer, faults, color_model, name, reason):
    file = faults / "png-lenient" / name
    expected = numpy.asarray(Image.open(file).convert("RGB")).mean((0, 1)) / 255
    found, errors = means(infer, file, color_model, *UNIT)
    numpy.testing.assert_allclose(found, expected, atol=1e-5)
    assert errors.count(name) == 1 and reason in errors


def test_a_damaged_image_is_named_once_in_a_run(graft, tmp_path, faults):
    source = faults / "label-with-newline"
    shutil.copytree(source / "pictures", tmp_path / "pictures")
    file = next((tmp_path / "pictures" / "red").glob("*.png"))
    data = bytearray(file.read_bytes())
    data[-13] ^= 1
    file.write_bytes(data)
    result = graft(
        "finetune",
        tmp_path / "pictures",
        "--model",
        source / "model.onnx",
        *UNIT,
        "--resize",
        16,
        "--epochs",
        "2,2",
        "--no-feature-cache",
        "--no-cache",
        "--threads",
        1,
        "-o",
        tmp_path / "run",
    )
    assert result.status == 0, result.errors
    assert result.errors.count("a checksum is wrong") == 1


def test_a_damaged_jpeg_warns(infer, color_model, tmp_path):
    image = Image.fromarray(
        numpy.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(numpy.uint8)
    )
    data = io.BytesIO()
    image.save(data, "JPEG")
    damaged = bytearray(data.getvalue())
    # The end of the image, in its middle.
    damaged[-300:-298] = b"\xff\xd9"
    (tmp_path / "a.jpg").write_bytes(damaged)
    found, errors = means(infer, tmp_path / "a.jpg", color_model, *UNIT)
    expected = numpy.asarray(Image.open(tmp_path / "a.jpg")).mean((0, 1)) / 255
    numpy.testing.assert_allclose(found, expected, atol=1e-5)
    assert errors.count("damaged JPEG image: Corrupt JPEG data") == 1
    (tmp_path / "b.jpg").write_bytes(data.getvalue()[:-300])
    result = infer(tmp_path / "b.jpg", "--model", color_model, *UNIT)
    assert result.status == 65 and "it is truncated" in result.errors


# Orientation


@pytest.mark.parametrize(
    "name, indexes",
    [
        ("attribute.jpg", {1, 7, 8}),
        ("element.jpg", {1, 7, 8}),
        ("xmp.png", {1, 7, 8}),
        ("xmp.webp", {1, 7, 8}),
        ("upright.png", {1, 7, 8}),
    ],
)
def test_orientation_in_xmp(infer, faults, name, indexes):
    folder = faults / "orientation-in-xmp"

    def best(*arguments):
        result = infer(
            folder / name, "--model", folder / "quarters.onnx", *UNIT, "--resize", "none", "--json",
            "--top-k", 3, *arguments,
        )  # fmt: skip
        assert result.status == 0, result.errors
        return {answer["index"] for answer in json.loads(result.output)["predictions"]}

    assert best() == indexes
    if name != "upright.png":
        assert best("--ignore-orientation") == {0, 5, 10}


def save_photos(folder, orientation):
    """Two classes: images that are brighter above, and below, when they are upright."""
    for label, top in [("above", 220), ("below", 30)]:
        (folder / label).mkdir(parents=True)
        for index in range(8):
            pixels = numpy.full((12, 12, 3), 250 - top, numpy.uint8)
            pixels[:6] = top + index
            image = Image.fromarray(pixels)
            exif = Image.Exif()
            if orientation != 1:
                image = image.transpose(Image.Transpose.ROTATE_180)
                exif[0x0112] = orientation
            image.save(folder / label / f"{index}.jpg", quality=95, exif=exif)


def save_rows(path):
    """A model that gives the probability of `below`, by the means of the halves."""
    weights = numpy.ones((1, 3, 12, 12), numpy.float32)
    weights[:, :, :6] = -1
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"]),
            helper.make_node("Flatten", ["c"], ["f"]),
            helper.make_node("Sigmoid", ["f"], ["y"]),
        ],
        "halves",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(
        model, {"graft.preprocessing.name": "unit", "graft.labels": "above\nbelow"}
    )
    onnx.save(model, path)


def accuracy(graft, model, folder, *arguments):
    result = graft("evaluate", model, folder, "--json", *arguments)
    assert result.status == 0, result.errors
    return json.loads(result.output)["accuracy"]


def test_evaluate_and_metadata_agree_on_orientation(graft, tmp_path):
    save_photos(tmp_path / "turned", 3)
    save_photos(tmp_path / "plain", 1)
    model = tmp_path / "halves.onnx"
    save_rows(model)
    assert accuracy(graft, model, tmp_path / "plain") == 1
    assert accuracy(graft, model, tmp_path / "turned") == 1
    assert accuracy(graft, model, tmp_path / "turned", "--ignore-orientation") == 0
    stored = tmp_path / "stored.onnx"
    result = graft("convert", model, stored, "--ignore-orientation")
    assert result.status == 0, result.errors
    properties = {p.key: p.value for p in onnx.load(stored).metadata_props}
    assert properties["graft.preprocessing.orientation"] == "ignored"
    assert accuracy(graft, stored, tmp_path / "turned") == 0
    assert accuracy(graft, stored, tmp_path / "turned", "--no-ignore-orientation") == 1
    # Another scheme leaves that as it is.
    assert accuracy(graft, stored, tmp_path / "turned", "--preprocess", "none") == 0


@pytest.mark.parametrize("ignores", [False, True])
def test_finetune_records_what_becomes_of_orientation(graft, tmp_path, ignores):
    save_photos(tmp_path / "turned", 3)
    save_photos(tmp_path / "plain", 1)
    model = tmp_path / "halves.onnx"
    save_rows(model)
    arguments = [
        tmp_path / "turned",
        "--model",
        model,
        "--cut",
        "f",
        "--head",
        "dense(classes)",
        "--unfreeze",
        "none",
        "--epochs",
        60,
        "--learning-rate",
        0.1,
        "--threads",
        1,
        "--no-cache",
        "-o",
        tmp_path / "run",
    ]
    result = graft("finetune", *arguments, *(["--ignore-orientation"] if ignores else []))
    assert result.status == 0, result.errors
    trained = tmp_path / "run" / "model.onnx"
    properties = {p.key: p.value for p in onnx.load(trained).metadata_props}
    assert properties["graft.preprocessing.orientation"] == ("ignored" if ignores else "applied")
    assert accuracy(graft, trained, tmp_path / "turned") == 1
    # Who never turned an image learned the opposite.
    assert accuracy(graft, trained, tmp_path / "plain") == (0 if ignores else 1)


# Integer inputs


def test_uint8_input_of_the_report(infer, faults):
    folder = faults / "uint8-picture-input"
    result = infer(folder / "blue.png", "--model", folder / "model.onnx", "--json")
    assert result.status == 0, result.errors
    assert json.loads(result.output)["predictions"][0]["index"] == 2
    assert "assuming 'none'" in result.errors


TYPES = ["UINT8", "INT16", "UINT16", "INT32", "UINT32", "INT64", "UINT64"]


@pytest.mark.parametrize("shape", [("N", 3, 4, 4), ("N", 4, 4, 3)], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("name", TYPES)
def test_integer_inputs_take_samples_as_they_are(infer, tmp_path, name, shape):
    model = tmp_path / "means.onnx"
    save_means(model, getattr(TensorProto, name), shape)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "a.png")
    found, errors = means(infer, tmp_path / "a.png", model)
    numpy.testing.assert_allclose(found, [1, 2, 3], atol=1e-4)
    for scheme in ["torch", "unit", "keras-tf", "keras-caffe"]:
        result = infer(tmp_path / "a.png", "--model", model, "--preprocess", scheme)
        assert result.status == 64 and "--preprocess none" in result.errors, scheme


@pytest.mark.parametrize("name", ["INT8", "BOOL"])
def test_inputs_that_hold_no_samples_are_refused(infer, tmp_path, name):
    model = tmp_path / "means.onnx"
    save_means(model, getattr(TensorProto, name))
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    for arguments in [[], ["--preprocess", "none"]]:
        result = infer(tmp_path / "a.png", "--model", model, *arguments)
        assert result.status == 69 and "0 to 255" in result.errors


@pytest.mark.parametrize("name", ["FLOAT16", "DOUBLE"])
def test_other_real_inputs(infer, tmp_path, name):
    model = tmp_path / "means.onnx"
    save_means(model, getattr(TensorProto, name), ("N", 3, 4, 4))
    Image.new("RGB", (9, 9), (51, 102, 204)).save(tmp_path / "a.png")
    found, _ = means(infer, tmp_path / "a.png", model, *UNIT)
    numpy.testing.assert_allclose(found, [0.2, 0.4, 0.8], atol=1e-3)


@pytest.mark.parametrize("shape", [("N", 3, 12, 12), ("N", 12, 12, 3)], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("name", ["UINT8", "DOUBLE"])
def test_finetune_and_evaluate_take_such_inputs(graft, tmp_path, name, shape):
    for label, color in [("blue", (20, 30, 200)), ("red", (210, 20, 10)), ("green", (9, 220, 40))]:
        (tmp_path / "images" / label).mkdir(parents=True)
        for index in range(4):
            shade = tuple(value + index for value in color)
            Image.new("RGB", (12, 12), shade).save(tmp_path / "images" / label / f"{index}.png")
    model = tmp_path / "means.onnx"
    save_means(model, getattr(TensorProto, name), shape)
    result = graft(
        "finetune",
        tmp_path / "images",
        "--model",
        model,
        "--cut",
        "pooled",
        "--head",
        "flatten,dense(classes)",
        "--epochs",
        40,
        "--unfreeze",
        "none",
        "--learning-rate",
        0.1,
        "--split",
        "75,25",
        "--threads",
        1,
        "--no-cache",
        "-o",
        tmp_path / "run",
        *([] if name == "UINT8" else UNIT),
    )
    assert result.status == 0, result.errors
    assert accuracy(graft, tmp_path / "run" / "model.onnx", tmp_path / "images") == 1


# Shapes


def test_one_panorama_does_not_end_the_run(graft, faults, tmp_path):
    folder = faults / "panorama-ends-the-run"
    result = graft(
        "finetune", folder / "pictures", "--model", folder / "model.onnx", *UNIT, "--resize",
        "shorter:224", "--crop", 16, "--epochs", 2, "--threads", 1, "-o", tmp_path / "run",
    )  # fmt: skip
    assert result.status == 0, result.errors
    assert "strip.png" in (tmp_path / "run" / "split.csv").read_text()
    result = graft("evaluate", tmp_path / "run" / "model.onnx", folder / "pictures", "--json")
    assert result.status == 0, result.errors
    assert json.loads(result.output)["count"] == 19
