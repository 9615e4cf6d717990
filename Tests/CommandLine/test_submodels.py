"""graft convert --inputs --outputs: a part of a model, as onnx.utils.extract_model cuts it out."""

import json

import numpy
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, utils

onnxruntime.set_default_logger_severity(3)


def parse(path, text, opset=17):
    header = f'<ir_version: 8, opset_import: ["" : {opset}]> '
    model = onnx.parser.parse_model(header + text)
    onnx.save(model, path)
    return path


@pytest.fixture
def network(tmp_path):
    """Two branches of one input, which come together, and another input."""
    path = parse(
        tmp_path / "network.onnx",
        "g (float[N, 4] x, float[N, 4] mask) => (float[N, 3] scores, int64[N] best) "
        "<float[4, 4] w = {1, 2, 3, 4, -1, 2, -3, 4, 0, 1, 0, 1, 5, 6, 7, 8}> { "
        "  hidden = MatMul(x, w) "
        "  positive = Relu(hidden) "
        "  masked = Mul(positive, mask) "
        "  other = Tanh(x) "
        "  joined = Concat<axis = 1>(masked, other) "
        "  first, rest = Split<axis = 1>(joined, sizes) "
        "  sizes = Constant<value_ints = [3, 5]>() "
        "  scores = Softmax(first) "
        "  best = ArgMax<axis = 1, keepdims = 0>(rest) "
        "}",
    )
    # The parser keeps the order of the text, and ONNX wants a sorted one.
    model = onnx.load(path)
    nodes = list(model.graph.node)
    nodes.insert(5, nodes.pop(6))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.metadata_props.add(key="graft.labels", value='["a", "b", "c"]')
    model.metadata_props.add(key="graft.scores", value="probabilities")
    model.metadata_props.add(key="graft.preprocessing.name", value="torch")
    model.metadata_props.add(key="author", value="me")
    onnx.save(model, path)
    return path


def run(path, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def feeds_of(path):
    generator = numpy.random.default_rng(3)
    stored = {i.name for i in onnx.load(path).graph.initializer}
    feeds = {}
    for info in onnx.load(path).graph.input:
        if info.name not in stored:
            shape = [d.dim_value or 2 for d in info.type.tensor_type.shape.dim]
            feeds[info.name] = generator.standard_normal(shape).astype(numpy.float32)
    return feeds


@pytest.mark.parametrize(
    "inputs, outputs",
    [
        (["x"], ["hidden"]),
        (["hidden", "mask"], ["masked"]),
        (["x", "mask"], ["masked", "other"]),
        (["masked", "other"], ["scores", "best"]),
        (["positive", "mask", "x"], ["scores", "positive"]),
        (["joined"], ["rest", "first"]),
        (["joined"], ["best"]),
        (["first"], ["scores"]),
    ],
)
def test_parts_are_those_of_onnx(graft, network, tmp_path, inputs, outputs):
    part, expected = tmp_path / "part.onnx", tmp_path / "expected.onnx"
    result = graft(
        "convert", network, part, "--inputs", ",".join(inputs), "--outputs", ",".join(outputs)
    )
    assert result.status == 0, result.errors
    utils.extract_model(network, expected, inputs, outputs)
    found, wanted = onnx.load(part), onnx.load(expected)
    onnx.checker.check_model(found, full_check=True)
    assert [i.name for i in found.graph.input] == inputs
    assert [o.name for o in found.graph.output] == outputs
    for left, right in zip(
        [*found.graph.input, *found.graph.output], [*wanted.graph.input, *wanted.graph.output]
    ):
        assert left.type.tensor_type.elem_type == right.type.tensor_type.elem_type
        assert len(left.type.tensor_type.shape.dim) == len(right.type.tensor_type.shape.dim)
    assert {n.op_type for n in found.graph.node} - {"Constant"} == {
        n.op_type for n in wanted.graph.node
    } - {"Constant"}
    feeds = feeds_of(expected)
    for one, other in zip(run(part, feeds), run(expected, feeds)):
        numpy.testing.assert_array_equal(one, other)
    arguments = []
    for name, value in feeds.items():
        numpy.save(tmp_path / f"{name}.npy", value)
        arguments += ["--input", f"{name}={tmp_path}/{name}.npy"]
    result = graft("run", part, *arguments, "--output", tmp_path / "out.npz")
    assert result.status == 0, result.errors
    with numpy.load(tmp_path / "out.npz") as values:
        for name, value in zip(outputs, run(expected, feeds)):
            numpy.testing.assert_allclose(values[name], value, rtol=1e-5, atol=1e-6)


def test_constants_may_be_inputs(graft, network, tmp_path):
    """They keep their contents as a default."""
    part = tmp_path / "part.onnx"
    result = graft("convert", network, part, "--inputs", "x,w", "--outputs", "hidden")
    assert result.status == 0, result.errors
    onnx.checker.check_model(str(part), full_check=True)
    assert [i.name for i in onnx.load(part).graph.input] == ["x", "w"]
    assert [i.name for i in onnx.load(part).graph.initializer] == ["w"]
    x = numpy.ones((1, 4), numpy.float32)
    expected = run(network_part(network), {"x": x})[0]
    numpy.testing.assert_array_equal(run(part, {"x": x})[0], expected)
    # Of an older IR version, onnxruntime would take the default for a constant.
    assert onnx.load(part).ir_version >= 4
    given = run(part, {"x": x, "w": numpy.zeros_like(weights(part))})[0]
    assert not numpy.array_equal(given, expected)


def weights(path):
    return numpy_helper.to_array(onnx.load(path).graph.initializer[0])


def network_part(network):
    part = network.parent / "default.onnx"
    utils.extract_model(network, part, ["x"], ["hidden"])
    return part


def test_one_of_the_options_is_enough(graft, network, tmp_path):
    part = tmp_path / "part.onnx"
    assert graft("convert", network, part, "--outputs", "hidden").status == 0
    model = onnx.load(part)
    assert [i.name for i in model.graph.input] == ["x"]
    assert [n.op_type for n in model.graph.node] == ["MatMul"]
    assert graft("convert", network, part, "--inputs", "masked", "--inputs", "other").status == 0
    model = onnx.load(part)
    assert [i.name for i in model.graph.input] == ["masked", "other"]
    assert [o.name for o in model.graph.output] == ["scores", "best"]


def test_what_the_file_says_of_images_and_labels_goes_with_them(graft, network, tmp_path):
    part = tmp_path / "part.onnx"

    def keys(*arguments):
        result = graft("convert", network, part, *arguments)
        assert result.status == 0, result.errors
        return {entry.key for entry in onnx.load(part).metadata_props}

    everything = {"author", "graft.labels", "graft.scores", "graft.preprocessing.name"}
    assert keys() == everything
    assert keys("--inputs", "x,mask") == everything
    assert keys("--outputs", "scores") == {"author", "graft.preprocessing.name"}
    assert keys("--inputs", "joined") == {"author", "graft.labels", "graft.scores"}


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["--outputs", "hiden"], ["no value 'hiden'", "Did you mean 'hidden'?"]),
        (["--inputs", "x,masks"], ["no value 'masks'", "'mask'"]),
        (["--inputs", "q1,q2", "--outputs", "best"], ["no values 'q1', 'q2'"]),
        (["--outputs", "hidden,hidden"], ["'hidden' is named twice"]),
        (["--outputs", ""], ["no value ''"]),
        (["--inputs", "hidden"], ["depend on the model's inputs 'x', 'mask'", "--inputs"]),
        (
            ["--inputs", "hidden", "--outputs", "masked"],
            ["depend on the model's input 'mask'", "Mul"],
        ),
        (["--inputs", "best", "--outputs", "hidden"], ["depend on the model's input 'x'"]),
        (["--inputs", "x,best", "--outputs", "hidden"], ["no output depends on 'best'"]),
    ],
)
def test_names_that_do_not_fit(graft, network, tmp_path, arguments, parts):
    result = graft("convert", network, tmp_path / "part.onnx", *arguments)
    assert result.status == 64, result.errors
    for text in [str(network), *parts]:
        assert text in result.errors
    assert not (tmp_path / "part.onnx").exists()


def test_own_inputs_that_are_not_needed_stay(graft, network, tmp_path):
    part = tmp_path / "part.onnx"
    result = graft("convert", network, part, "--inputs", "x,mask", "--outputs", "hidden")
    assert result.status == 0
    assert "no output depends on the input 'mask'" in result.errors
    assert [i.name for i in onnx.load(part).graph.input] == ["x", "mask"]


def test_names_of_nodes_are_explained(graft, tmp_path):
    model = onnx.load(parse(tmp_path / "m.onnx", "g (float[2] x) => (float[2] y) { y = Relu(x) }"))
    model.graph.node[0].name = "/layer/Relu"
    onnx.save(model, tmp_path / "m.onnx")
    result = graft("convert", tmp_path / "m.onnx", tmp_path / "p.onnx", "--outputs", "/layer/Relu")
    assert result.status == 64
    assert "'/layer/Relu' is a node, which computes 'y'" in result.errors


def test_names_with_commas(graft, tmp_path):
    model = onnx.load(
        parse(tmp_path / "m.onnx", "g (float[2] x) => (float[2] y) { t = Relu(x) y = Neg(t) }")
    )
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "a,b"
    onnx.save(model, tmp_path / "m.onnx")
    part = tmp_path / "p.onnx"
    assert graft("convert", tmp_path / "m.onnx", part, "--outputs", "a,b").status == 0
    assert [o.name for o in onnx.load(part).graph.output] == ["a,b"]


def test_values_that_bodies_capture_count(graft, tmp_path):
    """The If needs a value of the outer graph, in a body of a body."""
    body = onnx.parser.parse_graph("b () => (float[2] r) { r = Add(doubled, k) }")
    inner = helper.make_node(
        "If", ["flag"], ["s"], name="inner", then_branch=body,
        else_branch=onnx.parser.parse_graph("e () => (float[2] r) { r = Identity(k) }"),
    )  # fmt: skip
    branch = helper.make_graph(
        [inner], "t", [], [helper.make_tensor_value_info("s", TensorProto.FLOAT, [2])]
    )
    other = onnx.parser.parse_graph("o () => (float[2] u) { u = Neg(k) }")
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "x"], ["doubled"]),
            helper.make_node("Abs", ["x"], ["k"]),
            helper.make_node(
                "If", ["flag"], ["y"], name="outer", then_branch=branch, else_branch=other
            ),
            helper.make_node("Relu", ["y"], ["z"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]),
            helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    source, part = tmp_path / "m.onnx", tmp_path / "p.onnx"
    onnx.save(model, source)
    result = graft("convert", source, part, "--inputs", "flag", "--outputs", "y")
    assert result.status == 64 and "the model's input 'x'" in result.errors
    result = graft("convert", source, part, "--inputs", "flag,doubled", "--outputs", "y")
    assert result.status == 64 and "the model's input 'x'" in result.errors
    result = graft("convert", source, part, "--inputs", "s", "--outputs", "z")
    assert result.status == 64 and "'s' is inside If 'outer'" in result.errors
    result = graft("convert", source, part, "--inputs", "flag,doubled,k", "--outputs", "y")
    assert result.status == 0, result.errors
    written = onnx.load(part)
    onnx.checker.check_model(written, full_check=True)
    assert [n.op_type for n in written.graph.node] == ["If"]
    feeds = {
        "doubled": numpy.array([2, -4], numpy.float32), "k": numpy.array([1, 2], numpy.float32),
    }  # fmt: skip
    for flag, expected in [(True, [3, -2]), (False, [-1, -2])]:
        numpy.testing.assert_array_equal(
            run(part, {"flag": numpy.array(flag), **feeds})[0], expected
        )


def test_sequences_and_strings_keep_their_types(graft, tmp_path):
    source = parse(
        tmp_path / "m.onnx",
        "g (float[N, 4] x) => (float[M, 2] y) { "
        "  parts = SplitToSequence<axis = 1>(x, two) "
        "  more = SequenceInsert(parts, extra) "
        "  y = ConcatFromSequence<axis = 0>(more) "
        "}",
    )
    model = onnx.load(source)
    model.graph.initializer.append(numpy_helper.from_array(numpy.int64([2, 2]), "two"))
    model.graph.initializer.append(
        numpy_helper.from_array(numpy.ones((1, 2), numpy.float32), "extra")
    )
    onnx.save(model, source)
    part = tmp_path / "p.onnx"
    result = graft("convert", source, part, "--inputs", "parts", "--outputs", "more,y")
    assert result.status == 0, result.errors
    graph = onnx.load(part).graph
    onnx.checker.check_model(onnx.load(part), full_check=True)
    float_sequence = graph.input[0].type.sequence_type.elem_type.tensor_type
    assert float_sequence.elem_type == TensorProto.FLOAT
    assert graph.output[0].type.WhichOneof("value") == "sequence_type"
    (tmp_path / "parts.json").write_text("[[[1, 2]], [[3, 4]]]")
    result = graft(
        "run", part, "--input", tmp_path / "parts.json", "--output", tmp_path / "out.json"
    )
    assert result.status == 0, result.errors
    outputs = json.loads((tmp_path / "out.json").read_text())
    assert outputs["more"] == [[[1, 2]], [[3, 4]], [[1, 1]]]
    assert outputs["y"] == [[1, 2], [3, 4], [1, 1]]


def test_types_behind_unknown_operators_are_needed(graft, tmp_path):
    source = parse(
        tmp_path / "m.onnx", "g (float[2] x) => (float[2] y) { t = Mystery(x) y = Relu(t) }"
    )
    result = graft("convert", source, tmp_path / "p.onnx", "--inputs", "t")
    assert result.status == 69 and "the type of 't' is unknown" in result.errors


def test_parts_of_real_models(graft, data, tmp_path):
    for name, inputs, outputs in [
        ("super-resolution-10/model.onnx", None, None),
        ("mnist-8/model.onnx", None, None),
        ("squeezenet-fp16/SqueezeNet_fp16.onnx", None, None),
    ]:
        source = data / "onnx" / name
        model = onnx.shape_inference.infer_shapes(onnx.load(source))
        # Where only one value leads from the first half of the nodes to the second.
        stored = {i.name for i in model.graph.initializer}
        known = {v.name for v in model.graph.value_info}
        nodes = model.graph.node
        for place in range(len(nodes) // 2, len(nodes) - 1):
            made = {o for n in nodes[: place + 1] for o in n.output}
            read = {i for n in nodes[place + 1 :] for i in n.input} - stored
            read |= {o.name for o in model.graph.output}
            crossing = sorted(made & read)
            if len(crossing) == 1 and crossing[0] in known:
                break
        else:
            raise AssertionError(f"{name}: no place to cut")
        first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
        result = graft("convert", source, first, "--outputs", crossing[0])
        assert result.status == 0, result.errors
        result = graft("convert", source, second, "--inputs", crossing[0])
        assert result.status == 0, result.errors
        whole = onnx.load(source)
        feeds = {
            i.name: numpy.random.default_rng(1)
            .random([d.dim_value or 1 for d in i.type.tensor_type.shape.dim])
            .astype(helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type))
            for i in whole.graph.input
            if i.name not in stored
        }
        (middle,) = run(first, feeds)
        outputs = run(second, {crossing[0]: middle})
        for one, other in zip(outputs, run(source, feeds)):
            numpy.testing.assert_allclose(
                one.astype(float), other.astype(float), rtol=2e-3, atol=2e-4
            )


def test_parts_of_keras_networks(graft, data, tmp_path):
    weights = data / "vgg16" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    found = [p for p in [weights, *data.rglob("*vgg16*notop.h5")] if p.exists()]
    if not found:
        pytest.skip("there are no weights of VGG16")
    result = graft("convert", found[0], tmp_path / "whole.onnx")
    assert result.status == 0, result.errors
    nodes = onnx.load(tmp_path / "whole.onnx").graph.node
    pool = [n.output[0] for n in nodes if n.op_type == "MaxPool"][1]
    result = graft("convert", found[0], tmp_path / "part.onnx", "--outputs", pool)
    assert result.status == 0, result.errors
    part = onnx.load(tmp_path / "part.onnx")
    assert [o.name for o in part.graph.output] == [pool]
    assert len(part.graph.node) < len(nodes)


def test_keras_files_have_no_parts(graft, tmp_path):
    result = graft("convert", "vgg16", tmp_path / "x.h5", "--outputs", "y")
    assert result.status == 64 and "omit --inputs, --outputs" in result.errors
