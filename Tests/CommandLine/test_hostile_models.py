"""Files that name the same thing many times: refused before they use memory or time."""

import resource
import time

import numpy
import onnx
import pytest
from onnx import TensorProto, helper

# More than a debug build needs, far less than the models ask for.
MEMORY = 3 << 30

OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("f", 1)]


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def value(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def save(path, nodes, inputs, outputs, functions=(), initializers=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=OPSETS, functions=list(functions), ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def function(name, inputs, outputs, nodes, attributes=()):
    return helper.make_function("f", name, inputs, outputs, nodes, OPSETS, list(attributes))


def call(name, inputs, outputs, node_name="", **attributes):
    node = helper.make_node(name, inputs, outputs, domain="f", **attributes)
    node.name = node_name
    return node


def chain(operator, source, prefix, count):
    names = [source] + [f"{prefix}{n}" for n in range(count)]
    return [helper.make_node(operator, [a], [b]) for a, b in zip(names, names[1:])]


def check(graft, model, message, commands=("inspect", "run", "convert")):
    for command in commands:
        arguments = [command, model]
        if command == "run":
            arguments += ["--output-dir", model.parent / "out"]
        if command == "convert":
            arguments += [model.parent / "copy.onnx"]
        result = graft(*arguments, preexec_fn=limited)
        assert result.status == 65, (command, result.status, result.errors[-1000:])
        assert message in result.errors, (command, result.errors[-1000:])


def test_a_long_name_before_every_inlined_name(graft, tmp_path):
    inner = function("A", ["a"], ["o399"], chain("Relu", "a", "o", 400))
    calls = [call("A", ["a" if n == 0 else f"p{n - 1}"], [f"p{n}"]) for n in range(400)]
    outer = function("B", ["a"], ["p399"], calls)
    model = save(
        tmp_path / "m.onnx",
        [call("B", ["x"], ["y"], node_name="n" * 100_000)],
        [value("x", shape=[4])],
        [value("y")],
        [inner, outer],
    )
    check(graft, model, "too much for the size of its files")


def body(count):
    constant = helper.make_node("Constant", [], ["k"], value_float=1.0)
    return helper.make_graph(
        [constant] + chain("Relu", "k", "s", count), "b", [], [value(f"s{count - 1}")]
    )


def test_bodies_in_functions(graft, tmp_path):
    graph = body(1000)
    holder = function(
        "I",
        ["c"],
        ["b"],
        [helper.make_node("If", ["c"], ["b"], then_branch=graph, else_branch=graph)],
    )
    model = save(
        tmp_path / "m.onnx",
        [call("I", ["c"], [f"t{n}"]) for n in range(1500)],
        [value("c", TensorProto.BOOL, [])],
        [value("t0")],
        [holder],
    )
    check(graft, model, "functions whose inlining adds", commands=["inspect"])


def reference(output, operator, inputs, names, kind):
    node = onnx.NodeProto(op_type=operator, input=inputs, output=[output])
    for name in names:
        node.attribute.add(name=name, type=kind, ref_attr_name="g")
    return node


def test_references_to_a_graph(graft, tmp_path):
    nodes = [
        reference(f"b{n}", "If", ["c"], ["then_branch", "else_branch"], 5) for n in range(1500)
    ]
    model = save(
        tmp_path / "m.onnx",
        [call("R", ["c"], ["y"], g=body(1000))],
        [value("c", TensorProto.BOOL, [])],
        [value("y")],
        [function("R", ["c"], ["b0"], nodes, ["g"])],
    )
    check(graft, model, "functions whose inlining adds", commands=["inspect"])


def test_references_to_a_tensor(graft, tmp_path):
    tensor = helper.make_tensor("v", TensorProto.INT8, [100_000], [1] * 100_000)
    nodes = [reference(f"b{n}", "Constant", [], ["value"], 4) for n in range(20_000)]
    model = save(
        tmp_path / "m.onnx",
        [call("C", [], ["y"], g=tensor)],
        [],
        [value("y", TensorProto.INT8)],
        [function("C", [], ["b0"], nodes, ["g"])],
    )
    check(graft, model, "too much for the size of its files", commands=["inspect"])


def test_references_to_a_list(graft, tmp_path):
    nodes = [reference(f"b{n}", "Mystery", [], ["list"], 7) for n in range(10_000)]
    model = save(
        tmp_path / "m.onnx",
        [call("C", [], ["y"], g=list(range(100_000)))],
        [],
        [value("y")],
        [function("C", [], ["b0"], nodes, ["g"])],
    )
    check(graft, model, "too much for the size of its files", commands=["inspect"])


def test_bodies_and_calls_too_deep_in_each_other(graft, tmp_path):
    """Each function calls the next from within bodies that lie in bodies."""
    functions, depth, bodies = [], 60, 30
    for number in range(depth):
        nodes = (
            [call(f"D{number + 1}", ["c"], ["r"])]
            if number < depth - 1
            else [helper.make_node("Identity", ["c"], ["r"])]
        )
        for _ in range(bodies):
            graph = helper.make_graph(nodes, "b", [], [value("r", TensorProto.BOOL)])
            nodes = [helper.make_node("If", ["c"], ["r"], then_branch=graph, else_branch=graph)]
            nodes[0].attribute[1].g.Clear()
            nodes[0].attribute[1].g.CopyFrom(
                helper.make_graph(
                    [helper.make_node("Identity", ["c"], ["r"])],
                    "b",
                    [],
                    [value("r", TensorProto.BOOL)],
                )
            )
        functions.append(function(f"D{number}", ["c"], ["r"], nodes))
    model = save(
        tmp_path / "m.onnx",
        [call("D0", ["c"], ["y"])],
        [value("c", TensorProto.BOOL, [])],
        [value("y", TensorProto.BOOL)],
        functions,
    )
    check(graft, model, "deeper than", commands=["inspect"])


@pytest.mark.parametrize(
    "kind, width",
    [
        (TensorProto.INT4, 0.5),
        (TensorProto.UINT4, 0.5),
        (TensorProto.BOOL, 1),
        (TensorProto.FLOAT16, 2),
    ],
)
def test_one_blob_of_many_initializers(graft, tmp_path, kind, width):
    data = numpy.full(2_000_000, 2, numpy.uint8)
    data.tofile(tmp_path / "blob.bin")
    initializers = []
    for number in range(2000):
        tensor = TensorProto(name=f"w{number}", data_type=kind, dims=[int(2_000_000 / width)])
        tensor.data_location = TensorProto.EXTERNAL
        # Different names of one file are one file.
        tensor.external_data.add(key="location", value="./" * (number % 3) + "blob.bin")
        initializers.append(tensor)
    model = save(
        tmp_path / "m.onnx",
        [helper.make_node("Relu", ["x"], ["y"])],
        [value("x", shape=[4])],
        [value("y")],
        initializers=initializers,
    )
    check(graft, model, "too much for the size of its files", commands=["inspect"])


def test_weights_that_a_few_initializers_share(graft, tmp_path):
    numpy.arange(1000, dtype=numpy.float32).tofile(tmp_path / "blob.bin")
    initializers = []
    for number in range(8):
        tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[1000])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="blob.bin")
        initializers.append(tensor)
    model = save(
        tmp_path / "m.onnx",
        [helper.make_node("Sum", [f"w{n}" for n in range(8)], ["y"])],
        [],
        [value("y", shape=[1000])],
        initializers=initializers,
    )
    result = graft("run", model, "--output", tmp_path / "out.npz")
    assert result.status == 0, result.errors
    with numpy.load(tmp_path / "out.npz") as outputs:
        numpy.testing.assert_array_equal(outputs["y"], 8 * numpy.arange(1000, dtype=numpy.float32))


# MARK: Values and operators without an end


def ends(graft, model, status, *texts, inputs=(), arguments=()):
    """Runs a model, which must end in time and in little memory, with a clear error."""
    start = time.monotonic()
    words = [word for path in inputs for word in ("--input", path)]
    result = graft("run", model, *words, *arguments, preexec_fn=limited, timeout=60)
    assert result.status == status, (result.status, result.errors[-1000:])
    for text in texts:
        assert text in result.errors, result.errors[-1000:]
    assert time.monotonic() - start < 10


def loop(body_nodes, carried, outputs, trips=1 << 60):
    """A Loop over values (name, type, initial value), with a body that makes the next ones."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["again"]), *body_nodes],
        "body",
        [value("trip", TensorProto.INT64, []), value("go_on", TensorProto.BOOL, [])]
        + [helper.make_value_info(name, kind) for name, kind, _ in carried],
        [value("again", TensorProto.BOOL, [])]
        + [helper.make_value_info(f"next_{name}", kind) for name, kind, _ in carried],
    )
    names = [initial for _, _, initial in carried]
    return [
        helper.make_node("Constant", [], ["trips"], value_int=trips),
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("", 9, [], [True])),
        helper.make_node("Loop", ["trips", "yes", *names], outputs, name="spin", body=graph),
    ]


FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
STRINGS = helper.make_tensor_type_proto(TensorProto.STRING, None)


@pytest.fixture
def one_number(tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.ones(4, numpy.float32))
    return tmp_path / "x.npy"


def test_a_loop_of_many_trips(graft, tmp_path, one_number):
    nodes = loop([helper.make_node("Neg", ["a"], ["next_a"])], [("a", FLOATS, "x")], ["y"])
    model = save(tmp_path / "m.onnx", nodes, [value("x", shape=[4])], [value("y")])
    ends(graft, model, 71, "Loop 'spin'", "more than 1000000 trips", "--max-trips",
         inputs=[one_number])  # fmt: skip
    ends(graft, model, 71, "more than 1000 trips", inputs=[one_number],
         arguments=["--max-trips", "1000", "--optimize", "off"])  # fmt: skip


def test_a_loop_in_a_loop_in_a_loop(graft, tmp_path, one_number):
    """2^40 trips, of which no loop makes many."""
    body = [helper.make_node("Neg", ["a3"], ["next_a3"])]
    for level in (3, 2, 1):
        source = f"a{level - 1}" if level > 1 else "x"
        nodes = loop(
            body, [(f"a{level}", FLOATS, source)],
            [f"next_a{level - 1}" if level > 1 else "y"], 1 << 13,
        )  # fmt: skip
        for node in nodes:
            node.input[:] = [f"{n}{level}" if n in ("trips", "yes") else n for n in node.input]
            if node.op_type == "Constant":
                node.output[0] += str(level)
        graph = nodes[2].attribute[0].g
        for info in [*graph.input, *graph.output]:
            if info.name in ("trip", "go_on", "again"):
                info.name += str(level)
        for node in graph.node:
            node.input[:] = [f"{n}{level}" if n == "go_on" else n for n in node.input]
            node.output[:] = [f"{n}{level}" if n == "again" else n for n in node.output]
        body = nodes
    model = save(tmp_path / "m.onnx", body, [value("x", shape=[4])], [value("y")])
    ends(graft, model, 71, "trips", inputs=[one_number], arguments=["--max-trips", "100000"])


def test_a_sequence_that_grows_without_end(graft, tmp_path, one_number):
    kind = helper.make_sequence_type_proto(FLOATS)
    for insert in (["s", "x"], ["s", "big"]):
        body = [
            helper.make_node("Constant", [], ["size"], value_ints=[1 << 16]),
            helper.make_node("Expand", ["first", "size"], ["big"]),
            helper.make_node("SequenceInsert", insert, ["next_s"]),
        ]
        nodes = [
            helper.make_node("SequenceConstruct", ["x"], ["start"]),
            helper.make_node("ReduceMax", ["x"], ["first"], keepdims=0),
            *loop(body, [("s", kind, "start")], ["all"]),
            helper.make_node("SequenceLength", ["all"], ["y"]),
        ]
        model = save(
            tmp_path / "m.onnx", nodes, [value("x", shape=[4])], [value("y", TensorProto.INT64)]
        )
        ends(graft, model, 71, "spin", inputs=[one_number],
             arguments=["--max-memory", "64"])  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([helper.make_node("Concat", ["a", "x"], ["next_a"], axis=0)], id="grows"),
        pytest.param(
            [
                helper.make_node("NonZero", ["a"], ["places"]),
                helper.make_node("Cast", ["places"], ["floats"], to=TensorProto.FLOAT),
                helper.make_node("Flatten", ["floats"], ["flat"], axis=2),
                helper.make_node("ReduceMax", ["flat", "zero"], ["most"], keepdims=0),
                helper.make_node("Add", ["a", "most"], ["next_a"]),
            ],
            id="plans anew",
        ),
    ],
)
def test_endless_loops_end_with_the_default_limits(graft, tmp_path, one_number, body):
    zero = helper.make_node("Constant", [], ["zero"], value_ints=[0])
    nodes = [zero, *loop(body, [("a", FLOATS, "x")], ["y"])]
    model = save(tmp_path / "m.onnx", nodes, [value("x", shape=[4])], [value("y")])
    ends(graft, model, 71, "more than 1000000 trips", "counts as 32", inputs=[one_number])


def test_a_string_that_doubles_without_end(graft, tmp_path):
    body = [helper.make_node("StringConcat", ["s", "s"], ["next_s"])]
    nodes = [
        *loop(body, [("s", STRINGS, "x")], ["y"]),
    ]
    model = save(
        tmp_path / "m.onnx", nodes, [value("x", TensorProto.STRING, [1])],
        [value("y", TensorProto.STRING)],
    )  # fmt: skip
    (tmp_path / "x.json").write_text('["ab"]')
    ends(graft, model, 71, "spin", inputs=[tmp_path / "x.json"],
         arguments=["--max-memory", "64"])  # fmt: skip


def test_a_loop_whose_scan_outputs_grow(graft, tmp_path, one_number):
    nodes = loop([helper.make_node("Neg", ["a"], ["next_a"])], [("a", FLOATS, "x")], ["z", "y"])
    nodes[2].attribute[0].g.output.append(value("row"))
    nodes[2].attribute[0].g.node.append(helper.make_node("Identity", ["a"], ["row"]))
    model = save(tmp_path / "m.onnx", nodes, [value("x", shape=[4])], [value("y")])
    # Its size is known before it runs.
    ends(graft, model, 65, "spin", inputs=[one_number], arguments=["--max-memory", "16"])


@pytest.mark.parametrize(
    "pattern",
    [
        "(a*)*b", "(a+)+$", "(a|aa)+$", "(.*)*(.*)*(.*)*x", "((a{0,100}){0,100}){0,9}",
        "(((((a{1,9}){1,9}){1,9}){1,9}){1,9})", "(a{1000}){1000}", "(x+x+)+y", "(" * 5000,
        "a" * 100_000 + "*", "[^" + "ab" * 10_000 + "]*",
    ],
    ids=lambda pattern: pattern[:12],
)  # fmt: skip
def test_regular_expressions_made_to_be_slow(graft, tmp_path, pattern):
    node = helper.make_node("RegexFullMatch", ["x"], ["y"], pattern=pattern)
    model = save(
        tmp_path / "m.onnx", [node], [value("x", TensorProto.STRING, [2])],
        [value("y", TensorProto.BOOL)],
    )  # fmt: skip
    (tmp_path / "x.json").write_text(f'["{"a" * 50_000}", "{"a" * 50_000}!"]')
    start = time.monotonic()
    result = graft("run", model, "--input", tmp_path / "x.json", preexec_fn=limited, timeout=60)
    assert time.monotonic() - start < 10
    assert result.status in (0, 65), result.errors[-1000:]
    if result.status == 65:
        assert "RegexFullMatch" in result.errors and "pattern" in result.errors


@pytest.mark.parametrize("name", ["TreeEnsembleRegressor", "TreeEnsembleClassifier"])
@pytest.mark.parametrize("true, false", [([0, 0, 0], [1, 0, 0]), ([1, 2, 0], [2, 1, 0]),
                                         ([1, 0, 0], [1, 0, 0])])  # fmt: skip
def test_tree_ensembles_with_cycles(graft, tmp_path, name, true, false):
    kind = "target" if name == "TreeEnsembleRegressor" else "class"
    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 1, 0],
        "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
        "nodes_values": [0.5, 0.5, 0.0],
        "nodes_truenodeids": true,
        "nodes_falsenodeids": false,
        f"{kind}_treeids": [0],
        f"{kind}_nodeids": [2],
        f"{kind}_ids": [0],
        f"{kind}_weights": [1.0],
    }
    if kind == "target":
        attributes["n_targets"] = 1
    else:
        attributes["classlabels_int64s"] = [0, 1]
    outputs = ["y"] if kind == "target" else ["label", "y"]
    node = helper.make_node(name, ["x"], outputs, domain="ai.onnx.ml", **attributes)
    graph = helper.make_graph([node], "g", [value("x", shape=[1, 2])], [value("y")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    numpy.save(tmp_path / "x.npy", numpy.zeros((1, 2), numpy.float32))
    ends(graft, tmp_path / "m.onnx", 65, name, "cycle", inputs=[tmp_path / "x.npy"])


def test_a_new_tree_ensemble_with_a_cycle(graft, tmp_path):
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=[0],
        nodes_featureids=[0, 1],
        nodes_modes=helper.make_tensor("", TensorProto.UINT8, [2], [0, 0]),
        nodes_splits=helper.make_tensor("", TensorProto.FLOAT, [2], [0.5, 0.5]),
        nodes_truenodeids=[1, 0],
        nodes_trueleafs=[0, 0],
        nodes_falsenodeids=[0, 0],
        nodes_falseleafs=[1, 1],
        leaf_targetids=[0],
        leaf_weights=helper.make_tensor("", TensorProto.FLOAT, [1], [1.0]),
    )
    graph = helper.make_graph([node], "g", [value("x", shape=[1, 2])], [value("y")])
    opsets = [helper.make_opsetid("", 22), helper.make_opsetid("ai.onnx.ml", 5)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    numpy.save(tmp_path / "x.npy", numpy.zeros((1, 2), numpy.float32))
    ends(graft, tmp_path / "m.onnx", 65, "TreeEnsemble", "cycle", inputs=[tmp_path / "x.npy"])


@pytest.mark.parametrize(
    "name, status",
    [
        ("macs-overflow-matmul", 0),
        ("macs-overflow-conv", 0),
        ("long-name-prefix", 65),
        ("bodies-in-functions", 65),
        ("tensor-reference", 65),
    ],
)
def test_files_that_went_wrong(graft, faults, name, status):
    # Invalid files are refused before anything is printed.
    for arguments in ([], ["--json"]) if status == 0 else ([],):
        result = graft(
            "inspect", faults / "hostile" / f"{name}.onnx", *arguments, preexec_fn=limited
        )
        assert result.status == status, result.errors[-1000:]
