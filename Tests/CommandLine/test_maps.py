"""graft run and graft convert: maps, and the versions of ai.onnx.ml."""

import json

import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

FLOAT = onnx.TensorProto.FLOAT
INT64 = onnx.TensorProto.INT64
STRING = onnx.TensorProto.STRING


def tensor(shape=None):
    return onnx.helper.make_tensor_type_proto(FLOAT, shape)


def mapping(key):
    return onnx.helper.make_map_type_proto(key, tensor([]))


@pytest.fixture
def single(tmp_path):
    """Makes a model of one node of ai.onnx.ml."""

    def make(operator, given, result, version=1, **attributes):
        info = onnx.helper.make_value_info
        node = onnx.helper.make_node(operator, ["x"], ["z"], domain="ai.onnx.ml", **attributes)
        graph = onnx.helper.make_graph([node], "g", [info("x", given)], [info("z", result)])
        opsets = [
            onnx.helper.make_opsetid("", 18),
            onnx.helper.make_opsetid("ai.onnx.ml", version),
        ]
        path = tmp_path / "model.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path

    return make


@pytest.mark.parametrize(
    "key, vocabulary, content, expected",
    [
        (STRING, {"string_vocabulary": ["a", "c", "b"]}, {"c": 8, "a": 4.5}, [[4.5, 8, 0]]),
        (INT64, {"int64_vocabulary": [7, -1]}, {"-1": 2}, [[0, 2]]),
        (STRING, {"string_vocabulary": ["a"]}, {}, [[0]]),
        # The object with the map, as a member with the input's name.
        (STRING, {"string_vocabulary": ["a"]}, {"x": {"a": 1}}, [[1]]),
    ],
)
def test_objects_are_maps(graft, tmp_path, single, key, vocabulary, content, expected):
    model = single("DictVectorizer", mapping(key), tensor(), **vocabulary)
    (tmp_path / "x.json").write_text(json.dumps(content))
    output = tmp_path / "z.json"
    result = graft("run", model, "--input", tmp_path / "x.json", "--output", output)
    assert result.status == 0, result.errors
    assert json.loads(output.read_text())["z"] == expected


def test_wrong_maps_are_refused(graft, tmp_path, single):
    model = single("DictVectorizer", mapping(INT64), tensor(), int64_vocabulary=[1])
    for content, part in [
        ({"one": 2}, "key 'one'"),
        ([1], "no object"),
        ({"1": [2, 3]}, "the model declares map(int64"),
        ({"2": 1}, "not in the vocabulary"),
        ('{"1": 1, "1": 2}', "a key twice"),
    ]:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "x.json").write_text(text)
        result = graft("run", model, "--input", tmp_path / "x.json")
        assert result.status == 65 and part in result.errors, (content, result.errors)


def test_sequences_of_maps_are_written(graft, tmp_path, single):
    result_type = onnx.helper.make_sequence_type_proto(mapping(STRING))
    model = single("ZipMap", tensor([None, 2]), result_type, classlabels_strings=["no", "yes"])
    (tmp_path / "x.json").write_text("[[0.25, 0.75], [1, 0]]")
    output = tmp_path / "z.json"
    assert graft("run", model, "--input", tmp_path / "x.json", "--output", output).status == 0
    expected = [{"no": 0.25, "yes": 0.75}, {"no": 1.0, "yes": 0.0}]
    assert json.loads(output.read_text())["z"] == expected
    folder = tmp_path / "out"
    assert graft("run", model, "--input", tmp_path / "x.json", "--output-dir", folder).status == 0
    proto = onnx.SequenceProto.FromString((folder / "output_0.pb").read_bytes())
    maps = [
        dict(zip(m.string_keys, (onnx.numpy_helper.to_array(t) for t in m.values.tensor_values)))
        for m in proto.map_values
    ]
    assert maps == [{k.encode(): v for k, v in row.items()} for row in expected]
    shown = graft("run", model, "--input", tmp_path / "x.json").output
    assert "sequence of 2" in shown and "no: 0.25, yes: 0.75" in shown
    result = graft("run", model, "--input", tmp_path / "x.json", "--output", tmp_path / "z.npz")
    assert result.status == 69 and "Use a .json file" in result.errors


def test_the_lowest_version_is_written(graft, tmp_path, single):
    strings = onnx.helper.make_tensor_type_proto(STRING, [None])
    integers = onnx.helper.make_tensor_type_proto(INT64, [None])
    for attributes, version, expected in [
        ({"keys_strings": ["a", "b"], "values_int64s": [0, 1]}, 4, 1),
        ({"keys_strings": ["a", "b"], "values_int64s": [5, 1]}, 4, 2),
        ({"keys_strings": ["a", "a"], "values_int64s": [5, 1]}, 4, 4),
        ({"classes_strings": ["a", "b"]}, 1, 1),
    ]:
        model = single("LabelEncoder", strings, integers, version, **attributes)
        copy = tmp_path / "copy.onnx"
        assert graft("convert", model, copy).status == 0
        versions = {o.domain: o.version for o in onnx.load(copy).opset_import}
        assert versions["ai.onnx.ml"] == expected
        onnx.checker.check_model(onnx.load(copy), full_check=True)
        (tmp_path / "x.json").write_text('["b", "q"]')
        results = []
        for path in [model, copy]:
            output = tmp_path / "z.json"
            assert (
                graft("run", path, "--input", tmp_path / "x.json", "--output", output).status == 0
            )
            results.append(json.loads(output.read_text()))
        assert results[0] == results[1]


def test_newer_versions_are_refused(graft, single):
    model = single("Scaler", tensor([None, 2]), tensor(), 6, offset=[0.0], scale=[1.0])
    result = graft("inspect", model)
    assert result.status == 69 and "versions up to 5 can be read" in result.errors
