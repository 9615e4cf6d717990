"""Memory is bounded before it is taken: made-up inputs, generated weights, plans that depend on
data.
"""

import resource

import numpy
import onnx
import onnx.parser
import pytest

# More than a debug build needs, far less than the models ask for.
MEMORY = 3 << 30


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


@pytest.fixture
def model(tmp_path):
    def save(text, opset=21):
        path = tmp_path / "m.onnx"
        header = f'<ir_version: 10, opset_import: ["" : {opset}]> '
        onnx.save(onnx.parser.parse_model(header + text), path)
        return path

    return save


def check(result, status, *words):
    assert result.status == status, (result.status, result.errors[-1000:])
    for word in words:
        assert word in result.errors, result.errors[-1000:]


IDENTITY = "g ({} x) => ({} y) {{ y = Identity(x) }}"


@pytest.mark.parametrize(
    "declared, options, status",
    [
        ("float[3, 4294967297, 2]", [], 71),
        ("float[16777216, 16777216]", [], 71),
        ("int4[16777216, 16777216]", [], 71),
        ("bool[16777216, 16777216]", [], 71),
        ("string[16777216, 16777216]", [], 71),
        ("double[N, 1000]", ["--batch", 2147483648], 71),
        ("float[N, 2]", ["--batch", 2**63 - 1], 64),
        ("float[N, M]", ["--shape", f"x={2**62},8"], 64),
        ("float[N, M]", ["--shape", f"x=1,{2**40}"], 71),
        ("float[N, 4]", ["--shape", "x=100000000000,5"], 64),
        ("float[N, 1000000]", ["--batch", 1000, "--max-memory", 100], 71),
    ],
)
@pytest.mark.parametrize("tune", [False, True])
def test_benchmark_of_large_inputs(graft, model, declared, options, status, tune):
    path = model(IDENTITY.format(declared, declared))
    command = ["benchmark", path, *options, *(["--tune"] if tune else [])]
    result = graft(*command, preexec_fn=limited)
    check(result, status, "input")
    if status == 71:
        assert "--max-memory" in result.errors


def test_benchmark_of_a_file_that_declares_too_much(graft, faults):
    result = graft("benchmark", faults / "hostile/declared-huge.onnx", preexec_fn=limited)
    check(result, 71, "--max-memory")


def test_benchmark_refuses_shapes_before_it_makes_inputs(graft, model):
    text = (
        "g (float[1, 100000] x) => (float[2, 50000] y) "
        "<int64[2] shape = {2, 50000}> { y = Reshape(x, shape) }"
    )
    # The input would need 8 GB, and minutes for its numbers.
    options = ["--batch", 20_000, "--max-memory", 1 << 20]
    result = graft("benchmark", model(text), *options, timeout=30, preexec_fn=limited)
    check(result, 65, "Reshape")


def test_benchmark_of_all_types(graft, model):
    for kind in ("float", "double", "float16", "bfloat16", "int4", "uint8", "int64", "bool"):
        path = model(f"g ({kind}[N, 5000] x) => ({kind}[N, 5000] y) {{ y = Identity(x) }}")
        result = graft("benchmark", path, "--batch", 3, "--runs", 1)
        check(result, 0)


def chain(count):
    """Each NonZero doubles the result of the one before it; each has its own plan."""
    nodes = []
    for number in range(count):
        nodes.append(f"n{number} = NonZero({f'f{number - 1}' if number else 'x'})")
        nodes.append(f"f{number} = Cast<to = 1>(n{number})")
    return f"g (float[4] x) => (float[A, B] f{count - 1}) {{ " + "\n".join(nodes) + " }"


@pytest.fixture
def ones(tmp_path):
    numpy.save(tmp_path / "ones.npy", numpy.ones(4, numpy.float32))
    return ["--input", tmp_path / "ones.npy"]


@pytest.mark.parametrize("limit", [50, 200])
def test_plans_that_depend_on_data_share_the_limit(graft, model, ones, limit):
    result = graft(
        "run", model(chain(40)), *ones, "--max-memory", limit, "--no-cache", preexec_fn=limited
    )
    check(result, 71, f"the limit is {limit} MB", "--max-memory")


def test_a_chain_of_many_plans(graft, faults, ones):
    path = faults / "hostile/nonzero-chain.onnx"
    result = graft("run", path, *ones, "--max-memory", 100, "--no-cache", preexec_fn=limited)
    check(result, 71, "the limit is 100 MB", "--max-memory")


def test_a_short_chain_fits(graft, model, ones):
    check(graft("run", model(chain(12)), *ones, "--max-memory", 10), 0)


def generated(count):
    nodes = [
        f"c{n} = ConstantOfShape<value = float[1] {{{n + 1}.0}}>(shape)\n y{n} = Mul(c{n}, x)"
        for n in range(count)
    ]
    outputs = ", ".join(f"float[A] y{n}" for n in range(count))
    return (
        f"g (float[1] x) => ({outputs}) <int64[1] shape = {{2000000}}> {{ "
        + "\n".join(nodes)
        + " }"
    )


def test_generated_weights_count_together(graft, model, tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.ones(1, numpy.float32))
    path = model(generated(20))
    options = ["--input", tmp_path / "x.npy", "--no-cache"]
    # 20 constants of 8 MB, and as much for the outputs.
    result = graft("run", path, *options, "--max-memory", 100, preexec_fn=limited)
    check(result, 71, "the limit is 100 MB", "--max-memory")
    result = graft("run", path, *options, "--max-memory", 250, preexec_fn=limited)
    check(result, 71, "the limit is 250 MB", "--max-memory")
    check(graft("run", path, *options, "--max-memory", 400), 0)


def test_generated_weights_count_as_much_when_they_are_kept(graft, model, tmp_path, home):
    """One of two constants of 8 MB is released; the other one and 8 MB of output remain."""
    numpy.save(tmp_path / "x.npy", numpy.ones(1, numpy.float32))
    path = model(
        "g (float[1] x) => (float[A] y) <int64[1] shape = {2000000}, float[1] two = {2.0}> {"
        "c = ConstantOfShape<value = float[1] {3.0}>(shape)  d = Mul(c, two)  y = Mul(d, x) }"
    )
    words = ["run", path, "--input", tmp_path / "x.npy"]
    limits = [4, 10, 12, 14, 17, 20, 40]
    without = [graft(*words, "--max-memory", n, "--no-cache").status for n in limits]
    assert without[0] == 71 and without[-1] == 0
    assert graft(*words).status == 0
    assert list((home / "compiled").glob("*.model"))
    assert [graft(*words, "--max-memory", n).status for n in limits] == without


def test_what_is_free_is_the_limit(graft, model, tmp_path):
    numpy.save(tmp_path / "x.npy", numpy.ones(1, numpy.float32))
    path = model(
        "g (float[1] x) => (float[A, B] y) <int64[2] shape = {1000000, 1000000}> "
        "{ y = Expand(x, shape) }"
    )
    result = graft("run", path, "--input", tmp_path / "x.npy", preexec_fn=limited)
    check(result, 71, "MB are free", "--max-memory")
