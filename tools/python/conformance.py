"""Runs ONNX's backend test suite on `graft run` and compares with the committed list of passes.

The list may only grow: a case in it that fails, is an error; new passes are reported and written
with --update. Cases that use only supported operators and still fail must stand in the list of
reasons.
"""

import argparse
import concurrent.futures
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

HERE = os.path.dirname(os.path.abspath(__file__))
PASSES = os.path.join(HERE, "..", "conformance-lists", "passes.txt")
REASONS = os.path.join(HERE, "..", "conformance-lists", "reasons.txt")
SUPPORTED = os.path.join(HERE, "..", "conformance-lists", "operators.txt")
KINDS = ["node", "simple", "real", "pytorch-converted", "pytorch-operator"]
TIMEOUT_SECONDS = 120
# A case that uses too much memory ends itself, not the machine.
MEMORY_KILOBYTES = 6 << 20


def read_list(path):
    """The lines of a list file without comments: name to the rest of the line."""
    entries = {}
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                line = line.split("#")[0].strip()
                if line:
                    name, _, rest = line.partition(" ")
                    entries[name] = rest.strip()
    return entries


def proto_of(value, type_proto):
    """An input as the proto that its declared type asks for."""
    if isinstance(value, (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto)):
        return value
    if type_proto.HasField("sequence_type"):
        return numpy_helper.from_list(value)
    if type_proto.HasField("optional_type"):
        if value is None:
            element = type_proto.optional_type.elem_type
            kind = (
                onnx.OptionalProto.TENSOR
                if element.HasField("tensor_type")
                else onnx.OptionalProto.SEQUENCE
            )
            return onnx.OptionalProto(elem_type=kind)
        return numpy_helper.from_optional(value)
    if isinstance(value, np.ndarray) or np.isscalar(value):
        return numpy_helper.from_array(np.asarray(value))
    raise TypeError(f"no proto for a value of type {type(value)}")


def load_proto(path, type_proto):
    with open(path, "rb") as file:
        content = file.read()
    if type_proto.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    if type_proto.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def write_node_case(case, folder):
    onnx.save(case.model, os.path.join(folder, "model.onnx"))
    initializers = {i.name for i in case.model.graph.initializer}
    declared = [i for i in case.model.graph.input if i.name not in initializers]
    for index, (inputs, outputs) in enumerate(case.data_sets):
        data = os.path.join(folder, f"test_data_set_{index}")
        os.mkdir(data)
        for position, (value, info) in enumerate(zip(inputs, declared)):
            with open(os.path.join(data, f"input_{position}.pb"), "wb") as file:
                file.write(proto_of(value, info.type).SerializeToString())
        for position, (value, info) in enumerate(zip(outputs, case.model.graph.output)):
            with open(os.path.join(data, f"output_{position}.pb"), "wb") as file:
                file.write(proto_of(value, info.type).SerializeToString())


def write_light_case(case, folder):
    """Light models come with stored outputs for generated inputs."""
    package = os.path.dirname(os.path.dirname(onnx.__file__))
    source = os.path.join(package, case.url)
    shutil.copy(source, os.path.join(folder, "model.onnx"))
    model = onnx.load(source)
    initializers = {i.name for i in model.graph.initializer}
    data = os.path.join(folder, "test_data_set_0")
    os.mkdir(data)
    position = 0
    for info in model.graph.input:
        if info.name in initializers:
            continue
        value = Runner.generate_dummy_data(info, seed=0, name=case.model_name, random=False)
        with open(os.path.join(data, f"input_{position}.pb"), "wb") as file:
            file.write(numpy_helper.from_array(value).SerializeToString())
        position += 1
    for position in range(len(model.graph.output)):
        stored = f"{os.path.splitext(source)[0]}_output_{position}.pb"
        shutil.copy(stored, os.path.join(data, f"output_{position}.pb"))


# The numbers of these cases are open: what counts is the distribution of many of them. ONNX's
# function, the expanded form, compares the wrong way round: it draws 1 with the probability 1 - p.
DISTRIBUTIONS = {
    name + suffix
    for name in ["test_bernoulli", "test_bernoulli_double", "test_bernoulli_seed"]
    for suffix in ["", "_expanded"]
}


def run_random_case(graft, case):
    """Draws 100,000 numbers with the case's model; None if they have their probabilities.

    Of each probability from 0 to 1 in steps of 0.1, the share of ones is within five standard
    deviations.
    """
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    count = 100_000
    del model.graph.value_info[:]
    for info in [model.graph.input[0], model.graph.output[0]]:
        info.type.tensor_type.shape.dim[0].dim_value = count
    given = case.data_sets[0][0][0]
    expected = np.asarray(case.data_sets[0][1][0])
    groups = np.arange(count) % 11
    probabilities = (groups / 10).astype(given.dtype)
    with tempfile.TemporaryDirectory(prefix="graft-conformance-") as folder:
        path = os.path.join(folder, "model.onnx")
        onnx.save(model, path)
        with open(os.path.join(folder, "input_0.pb"), "wb") as file:
            file.write(numpy_helper.from_array(probabilities).SerializeToString())
        outputs = os.path.join(folder, "outputs")
        os.mkdir(outputs)
        result = subprocess.run(
            [graft, "run", path, "--input-dir", folder, "--output-dir", outputs],
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
        )
        if result.returncode != 0:
            message = result.stderr.decode(errors="replace").strip().splitlines()
            return f"exit {result.returncode}: {message[-1] if message else ''}"
        drawn = load_proto(os.path.join(outputs, "output_0.pb"), model.graph.output[0].type)
    if drawn.dtype != expected.dtype or drawn.shape != (count,):
        return f"differs: {drawn.dtype} {drawn.shape}"
    if not np.isin(drawn, [0, 1]).all():
        return "differs: numbers other than 0 and 1"
    for group in range(11):
        own = drawn[groups == group]
        p = 1 - group / 10 if case.name.endswith("_expanded") else group / 10
        # By chance once in a million times.
        if abs(own.mean() - p) > 5 * (p * (1 - p) / len(own)) ** 0.5:
            return f"differs: {own.mean()} of the numbers are 1, with the probability {p}"
    return None


def run_case(graft, case):
    """None if the case passes, else why not."""
    if case.name in DISTRIBUTIONS:
        return run_random_case(graft, case)
    with tempfile.TemporaryDirectory(prefix="graft-conformance-") as folder:
        try:
            if case.model is not None:
                write_node_case(case, folder)
                path = os.path.join(folder, "model.onnx")
            elif case.model_dir is None:
                write_light_case(case, folder)
                path = os.path.join(folder, "model.onnx")
            else:
                path = os.path.join(case.model_dir, "model.onnx")
                folder = case.model_dir
        except Exception as error:  # the suite itself cannot make this case
            return f"case cannot be written: {error!r}"
        graph = onnx.load(path).graph
        data_sets = sorted(glob.glob(os.path.join(folder, "test_data_set*")))
        if not data_sets:
            return "no data"
        for data in data_sets:
            with tempfile.TemporaryDirectory(prefix="graft-outputs-") as outputs:
                try:
                    result = subprocess.run(
                        [
                            "sh",
                            "-c",
                            f'ulimit -v {MEMORY_KILOBYTES}; exec "$@"',
                            "sh",
                            graft,
                            "run",
                            path,
                            "--input-dir",
                            data,
                            "--output-dir",
                            outputs,
                        ],  # fmt: skip
                        capture_output=True,
                        timeout=TIMEOUT_SECONDS,
                    )
                except subprocess.TimeoutExpired:
                    return "timed out"
                if result.returncode != 0:
                    message = result.stderr.decode(errors="replace").strip().splitlines()
                    return f"exit {result.returncode}: {message[-1] if message else ''}"
                reason = compare(graph, data, outputs, case)
                if reason:
                    return reason
    return None


def assert_similar(expected, actual, case):
    """As the suite compares; it cannot compare scalars in sequences."""
    if isinstance(expected, (list, tuple)):
        assert isinstance(actual, (list, tuple)), f"expected a sequence, found {type(actual)}"
        assert len(actual) == len(expected), f"{len(actual)} elements, expected {len(expected)}"
        for one, other in zip(expected, actual):
            assert_similar(one, other, case)
    elif expected is None:
        assert actual is None, f"expected no value, found {type(actual)}"
    else:
        Runner.assert_similar_outputs([expected], [actual], rtol=case.rtol, atol=case.atol)


def compare(graph, data, outputs, case):
    expected_files = glob.glob(os.path.join(data, "output_*.pb"))
    expected, actual = [], []
    for position in range(len(expected_files)):
        type_proto = graph.output[position].type
        expected.append(load_proto(os.path.join(data, f"output_{position}.pb"), type_proto))
        try:
            actual.append(load_proto(os.path.join(outputs, f"output_{position}.pb"), type_proto))
        except FileNotFoundError:
            return f"output {position} was not written"
    try:
        assert_similar(expected, actual, case)
    except (AssertionError, TypeError, ValueError) as error:
        return "differs: " + " ".join(str(error).split())[:160]
    return None


def operators(case):
    """The operators that a case uses, those in bodies and functions too."""
    model = case.model
    if model is None:
        if case.model_dir is None:
            package = os.path.dirname(os.path.dirname(onnx.__file__))
            model = onnx.load(os.path.join(package, case.url))
        else:
            model = onnx.load(os.path.join(case.model_dir, "model.onnx"))
    functions = {(f.domain, f.name) for f in model.functions}
    names = set()

    def visit(nodes):
        for node in nodes:
            if (node.domain, node.op_type) not in functions:
                names.add(f"{node.domain}.{node.op_type}" if node.domain else node.op_type)
            for attribute in node.attribute:
                visit(attribute.g.node)
                for graph in attribute.graphs:
                    visit(graph.node)

    visit(model.graph.node)
    for function in model.functions:
        visit(function.node)
    return {re.sub(r"^ai\.onnx\.(?!ml|preview)", "", name) for name in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graft", required=True)
    parser.add_argument("--only", help="run the cases whose names match this pattern")
    parser.add_argument("--update", action="store_true", help="write the list of passes again")
    parser.add_argument("--verbose", action="store_true", help="print why cases fail")
    options = parser.parse_args()
    # Not the folder that a person keeps models in.
    home = tempfile.TemporaryDirectory(prefix="graft-home-")
    os.environ["GRAFT_HOME"] = home.name

    known = read_list(PASSES)
    reasons = read_list(REASONS)
    supported = set(read_list(SUPPORTED))
    cases = []
    for kind in KINDS:
        for case in load_model_tests(kind=kind):
            if not options.only or fnmatch.fnmatch(case.name, options.only):
                cases.append((kind, case))
    cases.sort(key=lambda item: (KINDS.index(item[0]), item[1].name))

    failures = {}
    passes = set()
    counts = {kind: [0, 0] for kind in KINDS}
    in_scope, in_scope_passes, unexplained = 0, 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda item: run_case(options.graft, item[1]), cases))
    for (kind, case), reason in zip(cases, results):
        key = f"{kind}/{case.name}"
        counts[kind][1] += 1
        uses_supported = operators(case) <= supported
        in_scope += uses_supported
        if reason is None:
            passes.add(key)
            counts[kind][0] += 1
            in_scope_passes += uses_supported
        else:
            failures[key] = reason
            if uses_supported and key not in reasons:
                unexplained.append(key)

    for kind in KINDS:
        if counts[kind][1]:
            print(f"{kind}: {counts[kind][0]} of {counts[kind][1]}")
    print(f"with supported operators only: {in_scope_passes} of {in_scope}")
    if options.verbose:
        for key, reason in failures.items():
            print(f"{key}: {reason}")
    status = 0
    for key in sorted(set(known) & set(failures)):
        print(f"no longer passes: {key}: {failures[key]}")
        status = 1
    for key in unexplained:
        print(f"fails without a stated reason: {key}: {failures[key]}")
        status = 1
    stale = [key for key in reasons if key in passes]
    for key in stale:
        print(f"passes now, strike it from the reasons: {key}")
    new = passes - set(known)
    if new and not options.update:
        print(f"{len(new)} cases pass that are not in the list; run tools/conformance --update")
    if options.update and not options.only:
        with open(PASSES, "w") as file:
            file.write("# Cases of ONNX's backend test suite that pass. The list may only grow.\n")
            for key in sorted(passes | set(known)):
                file.write(key + "\n")
    if not cases:
        print("no cases were run")
        status = 1
    print(f"Conformance: {len(passes)} passed, {len(failures)} failed")
    # Failing cases outside of the supported operators are not failures of the run.
    sys.exit(status)


if __name__ == "__main__":
    main()
