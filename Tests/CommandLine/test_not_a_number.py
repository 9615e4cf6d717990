"""Answers that are not numbers: no class is made of them, and JSON has null."""

import json
import shutil

import numpy
import onnx
import onnx.parser
import pytest


@pytest.fixture
def data_set(faults, tmp_path):
    folder = tmp_path / "data"
    for name in ["a", "b", "c"]:
        (folder / name).mkdir(parents=True)
        for number in range(2):
            shutil.copy(faults / "nan-json/picture.png", folder / name / f"{number}.png")
    return folder


def strict(text):
    """JSON without Python's NaN and Infinity."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("model", ["nan-json/model.onnx", "hostile/nan-classifier.onnx"])
def test_infer_names_no_class(graft, faults, model, options):
    words = ["--preprocess", "unit"] + (["--resize", "8x6"] if "json" in model else [])
    result = graft(
        "infer", faults / "nan-json/picture.png", "--model", faults / model, *words, *options
    )
    assert result.status == 65
    assert "not a number" in result.errors
    assert not result.output


def test_evaluate_counts_images_without_an_answer(graft, faults, data_set):
    words = ["evaluate", faults / "nan-json/model.onnx", data_set]
    words += ["--preprocess", "unit", "--resize", "8x6"]
    result = graft(*words, "--json")
    assert result.status == 0, result.errors
    assert "for 6 of 6" in result.errors
    measures = strict(result.output)
    assert measures["count"] == measures["unanswered"] == 6
    assert measures["accuracy"] == 0 and measures["loss"] is None
    assert sum(map(sum, measures["confusion_matrix"])) == 0
    text = graft(*words)
    assert text.status == 0 and "nan" not in text.output.lower()


def test_a_part_without_answers(graft, faults, data_set, tmp_path):
    """Of the images, those without blue get log(-1) as the score of a class."""
    from PIL import Image

    onnx.save(
        onnx.parser.parse_model(
            """<ir_version: 8, opset_import: ["" : 13]> g (float[N, 3, 1, 1] x) => (float[N, 2] y) {
              s = Flatten<axis = 1>(x)
              w = Constant<value = float[3, 2] {0, 1, 0, 0, 1, 0}>()
              b = Constant<value = float[2] {-0.5, 0}>()
              p = MatMul(s, w)
              q = Add(p, b)
              r = Sqrt(q)
              y = Add(p, r)
            }"""
        ),
        tmp_path / "part.onnx",
    )
    shutil.rmtree(data_set / "c")
    for name, color in {
        "a/0": (0, 0, 255),
        "a/1": (255, 0, 0),
        "b/0": (255, 0, 255),
        "b/1": (0, 0, 0),
    }.items():
        Image.new("RGB", (4, 4), color).save(data_set / f"{name}.png")
    result = graft(
        "evaluate",
        tmp_path / "part.onnx",
        data_set,
        "--preprocess",
        "unit",
        "--resize",
        "1",
        "--json",
    )
    assert result.status == 0, result.errors
    measures = strict(result.output)
    # a/0 is right; b/0 has the scores 1.7 and 2 and is right, too; two have no answer, and so are
    # wrong.
    assert measures["unanswered"] == 2
    assert measures["accuracy"] == 0.5
    assert measures["confusion_matrix"] == [[1, 0], [0, 1]]
    assert measures["loss"] == pytest.approx(
        -numpy.mean(
            [
                numpy.log(1 / (1 + numpy.exp(-(1 + 0.5**0.5)))),
                numpy.log(1 / (1 + numpy.exp(-(2 - 1 - 0.5**0.5)))),
            ]
        ),
        abs=1e-3,
    )


def test_metadata_and_reports_are_json(graft, faults):
    for words in [["inspect"], ["benchmark", "--runs", "1", "--warmup", "0"]]:
        result = graft(words[0], faults / "nan-json/model.onnx", *words[1:], "--json")
        assert result.status == 0, result.errors
        strict(result.output)
