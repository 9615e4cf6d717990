"""graft run: sequences, optionals and strings in files of all kinds."""

import json

import numpy
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

FLOAT = onnx.TensorProto.FLOAT


def tensor(element_type=FLOAT, shape=None):
    return onnx.helper.make_tensor_type_proto(element_type, shape)


def sequence(element):
    return onnx.helper.make_sequence_type_proto(element)


def optional(element):
    return onnx.helper.make_optional_type_proto(element)


@pytest.fixture
def passing(tmp_path):
    """Makes a model that passes its input of a type on, through operators that do not vanish."""

    def make(type_proto):
        info = onnx.helper.make_value_info
        graph = onnx.helper.make_graph(
            [
                onnx.helper.make_node("Identity", ["x"], ["y"]),
                onnx.helper.make_node("Identity", ["y"], ["z"]),
            ],
            "passing",
            [info("x", type_proto)],
            [info("z", type_proto)],
        )
        path = tmp_path / "passing.onnx"
        opsets = [onnx.helper.make_opsetid("", 21)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path

    return make


def through(graft, tmp_path, model, content):
    """What comes out as JSON for an input in JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    output = tmp_path / "z.json"
    result = graft("run", model, "--input", tmp_path / "x.json", "--output", output)
    assert result.status == 0, result.errors
    return json.loads(output.read_text(encoding="utf-8"))["z"]


@pytest.mark.parametrize(
    "type_proto, content",
    [
        (tensor(), [[1.5, -2], [0.1, 3e38]]),
        (tensor(), 7.25),
        (tensor(), [[], []]),
        (tensor(), ["NaN", "Infinity", "-Infinity", -0.0]),
        (tensor(onnx.TensorProto.DOUBLE), [0.1, 1e300]),
        (tensor(onnx.TensorProto.FLOAT16), [0.5, 65504]),
        (tensor(onnx.TensorProto.INT64), [9007199254740993, -(2**63), 2**63 - 1]),
        (tensor(onnx.TensorProto.UINT64), [2**64 - 1, 0]),
        (tensor(onnx.TensorProto.INT8), [-128, 127]),
        (tensor(onnx.TensorProto.BOOL), [[True], [False]]),
        (tensor(onnx.TensorProto.STRING), [["a", 'é"\\\n\t'], ["", "😀\x01"]]),
        (tensor(onnx.TensorProto.COMPLEX64), [[1, 2], [0.5, -1]]),
        (sequence(tensor()), []),
        (sequence(tensor()), [[1, 2], [[3]], 4]),
        (sequence(tensor(onnx.TensorProto.STRING)), [["a"], []]),
        (optional(tensor()), None),
        (optional(tensor()), [1, 2]),
        (optional(sequence(tensor())), None),
        (optional(sequence(tensor())), [[1], [2, 3]]),
    ],
)
def test_json_keeps_values(graft, tmp_path, passing, type_proto, content):
    assert through(graft, tmp_path, passing(type_proto), content) == content


def test_json_of_python(graft, tmp_path, passing):
    model = passing(tensor())
    assert through(graft, tmp_path, model, "[NaN, Infinity, -Infinity]") == [
        "NaN", "Infinity", "-Infinity",
    ]  # fmt: skip
    assert through(graft, tmp_path, model, '\ufeff {"a": [0], "x": [1e2, 2]} ') == [100, 2]
    assert through(graft, tmp_path, model, '{"other": [1]}') == [1]
    strings = passing(tensor(onnx.TensorProto.STRING))
    assert through(graft, tmp_path, strings, r'["\ud83d\ude00\u00e9\/"]') == ["😀é/"]


def test_an_empty_array_has_the_declared_extents(graft, tmp_path, passing):
    model = passing(tensor(shape=["N", 3]))
    (tmp_path / "x.json").write_text("[]")
    result = graft("run", model, "--input", tmp_path / "x.json")
    assert result.status == 0, result.errors
    assert "float[0, 3]" in result.output


@pytest.mark.parametrize(
    "type_proto, text, reason",
    [
        (tensor(), "[1, 2", "there is no ']'"),
        (tensor(), "[1 2]", "there is no ']'"),
        (tensor(), "[1, ]", "there is no number"),
        (tensor(), "[01]", "begins with 0"),
        (tensor(), "[1.]", "cut off"),
        (tensor(), '["1"]', "is not a number"),
        (tensor(), "[null]", "there is no number"),
        (tensor(), "[[1, 2],\n [3]]", "different lengths in line 2"),
        (tensor(), "[1, [2]]", "side by side"),
        (tensor(), "[[1], 2]", "side by side"),
        (tensor(), "[1] [2]", "something follows the end"),
        (tensor(), "", "there is no number"),
        (tensor(), "[" * 1000, "too many levels"),
        (tensor(), '{"a": [1], "b": [2]}', "has no member 'x'"),
        (tensor(), '{"a": ' + "[" * 1000, "too many levels"),
        (tensor(onnx.TensorProto.INT8), "[128]", "'128' is not of type int8"),
        (tensor(onnx.TensorProto.UINT8), "[-1]", "'-1' is not of type uint8"),
        (tensor(onnx.TensorProto.INT64), "[1.5]", "'1.5' is not of type int64"),
        (tensor(onnx.TensorProto.INT64), "[9223372036854775808]", "is not of type int64"),
        (tensor(onnx.TensorProto.UINT64), "[18446744073709551616]", "is not of type uint64"),
        (tensor(onnx.TensorProto.BOOL), "[1]", "neither true nor false"),
        (tensor(onnx.TensorProto.STRING), '["a]', "cut off"),
        (tensor(onnx.TensorProto.STRING), '["\\x"]', "unknown escape"),
        (tensor(onnx.TensorProto.STRING), '["\\ud800"]', "surrogate"),
        (tensor(onnx.TensorProto.STRING), "[1]", "there is no string"),
        (tensor(onnx.TensorProto.COMPLEX64), "[[1, 2, 3]]", "pairs"),
        (sequence(tensor()), "1", "has no array"),
        (tensor(shape=[2]), "[1, 2, 3]", "the model declares float[2]"),
        (sequence(tensor(shape=[2])), "[[1, 2], [3]]", "the model declares sequence(float[2])"),
    ],
)
def test_mistakes_in_json_are_named(graft, tmp_path, passing, type_proto, text, reason):
    (tmp_path / "x.json").write_text(text)
    result = graft("run", passing(type_proto), "--input", tmp_path / "x.json")
    assert result.status == 65, result.errors
    assert reason in result.errors and "x.json" in result.errors


def test_sequences_in_archives(graft, tmp_path, passing):
    model = passing(sequence(tensor()))
    arrays = [numpy.float32([1, 2]), numpy.float32([[3]]), numpy.float32(4)]
    numpy.savez(tmp_path / "list.npz", *arrays)
    output = tmp_path / "z.npz"
    for name in ["list.npz", "named.npz"]:
        result = graft("run", model, "--input", tmp_path / name, "--output", output)
        assert result.status == 0, result.errors
        with numpy.load(output) as found:
            assert found.files == ["z.0", "z.1", "z.2"]
            for array, element in zip(arrays, found.values()):
                numpy.testing.assert_array_equal(element, array)
        # By name, in any order, beside others.
        numpy.savez(
            tmp_path / "named.npz",
            **{"x.2": arrays[2], "other": arrays[0], "x.0": arrays[0], "x.1": arrays[1]},
        )


def test_optionals_in_archives(graft, tmp_path, passing):
    model = passing(optional(tensor()))
    output = tmp_path / "z.npz"
    numpy.savez(tmp_path / "one.npz", numpy.float32([1]))
    numpy.savez(tmp_path / "none.npz")
    for name, expected in [("one.npz", ["z"]), ("none.npz", [])]:
        result = graft("run", model, "--input", tmp_path / name, "--output", output)
        assert result.status == 0, result.errors
        with numpy.load(output) as found:
            assert found.files == expected


@pytest.mark.parametrize("order", ["<", ">"])
def test_strings_of_numpy(graft, tmp_path, passing, order):
    model = passing(tensor(onnx.TensorProto.STRING))
    strings = numpy.array([["a", "éß😀"], ["", "a\0b"]], f"{order}U4")
    numpy.save(tmp_path / "x.npy", strings)
    output = tmp_path / "z.npz"
    result = graft("run", model, "--input", tmp_path / "x.npy", "--output", output)
    assert result.status == 0, result.errors
    with numpy.load(output) as found:
        numpy.testing.assert_array_equal(found["z"], strings)
    numpy.savez(tmp_path / "x.npz", x=numpy.array([b"ab", b"c"]))
    result = graft("run", model, "--input", tmp_path / "x.npz", "--output", output)
    assert result.status == 0, result.errors
    with numpy.load(output) as found:
        assert found["z"].tolist() == ["ab", "c"]
    header = b"{'descr': '<U9', 'fortran_order': False, 'shape': (3,), }"
    (tmp_path / "short.npy").write_bytes(
        b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + b"abcd"
    )
    result = graft("run", model, "--input", tmp_path / "short.npy")
    assert result.status == 65 and "is truncated" in result.errors


def test_sequences_in_messages(graft, tmp_path, passing):
    model = passing(sequence(tensor()))
    arrays = [numpy.float32([1, 2]), numpy.float32([3])]
    proto = onnx.numpy_helper.from_list(arrays)
    (tmp_path / "x.pb").write_bytes(proto.SerializeToString())
    for word in ["--input", "--input-dir"]:
        (tmp_path / "input_0.pb").write_bytes(proto.SerializeToString())
        path = tmp_path / "x.pb" if word == "--input" else tmp_path
        result = graft("run", model, word, path, "--output-dir", tmp_path / "out")
        assert result.status == 0, result.errors
        content = (tmp_path / "out/output_0.pb").read_bytes()
        found = onnx.numpy_helper.to_list(onnx.SequenceProto.FromString(content))
        assert [array.tolist() for array in found] == [[1, 2], [3]]


def test_printed_values(graft, tmp_path, passing):
    def rows(type_proto, content):
        (tmp_path / "x.json").write_text(json.dumps(content))
        result = graft("run", passing(type_proto), "--input", tmp_path / "x.json")
        assert result.status == 0, result.errors
        return [line.split() for line in result.output.splitlines()][1:]

    assert rows(sequence(tensor()), [[1, 3], 2]) == [
        ["z", "sequence", "of", "2"],
        ["z[0]", "float[2]", "1", "2", "3"],
        ["z[1]", "float[]", "2", "2", "2"],
    ]
    many = rows(sequence(tensor()), [0] * 25)
    assert len(many) == 12 and many[-1] == ["…", "15", "more"]
    assert rows(optional(tensor()), None) == [["z", "empty", "optional"]]
    assert rows(optional(tensor()), [5]) == [["z", "float[1]", "5", "5", "5"]]
    strings = rows(tensor(onnx.TensorProto.STRING), ["a", "b\n", "c", "d", "e", "f"])
    assert strings == [["z", "string[6]", '"a",', '"b\\n",', '"c",', '"d",', '"e",', "…"]]


def test_outputs_of_other_files(graft, tmp_path, passing):
    (tmp_path / "x.json").write_text("[1]")
    words = ["run", passing(tensor()), "--input", tmp_path / "x.json"]
    result = graft(*words, "--output", tmp_path / "z.txt")
    assert result.status == 64 and ".npz or .json" in result.errors


def test_stop_words_and_regular_expressions(graft, tmp_path):
    """A chain of operators over strings, from JSON to JSON."""
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 21]> '
        "g (string[N] x) => (string[M] words, bool[M] matches, float[3] counts) {"
        '  words = StringNormalizer<case_change_action = "LOWER", stopwords = ["the"]>(x)'
        '  matches = RegexFullMatch<pattern = "[a-z]{3,}">(words)'
        '  counts = TfIdfVectorizer<mode = "TF", min_gram_length = 1, max_gram_length = 1, '
        "    max_skip_count = 0, ngram_counts = [0], ngram_indexes = [0, 2], "
        '    pool_strings = ["cat", "ox"]>(words) }'
    )
    onnx.save(model, tmp_path / "words.onnx")
    (tmp_path / "x.json").write_text('["The", "CAT", "ox", "cat"]')
    output = tmp_path / "y.json"
    result = graft(
        "run", tmp_path / "words.onnx", "--input", tmp_path / "x.json", "--output", output
    )
    assert result.status == 0, result.errors
    assert json.loads(output.read_text()) == {
        "words": ["cat", "ox", "cat"],
        "matches": [True, False, True],
        "counts": [2, 0, 1],
    }
