import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// The catalog against what ONNX says of its operators.
@Suite struct CatalogTests {
  private static let operators = OperatorCatalog.operators.filter {
    ["", OperatorDomain.machineLearning].contains($0.schema.domain)
  }

  @Test func schemasHaveTheVersionsOfTheSpecification() {
    for type in Self.operators {
      let schema = type.schema
      let versions = OperatorVersion.history(of: schema.qualifiedName).filter { !$0.isRemoval }
        .map(\.version)
      #expect(!versions.isEmpty, "\(schema.name) is not an ONNX operator")
      let missing = Set(versions).subtracting(schema.since)
      #expect(missing.isEmpty, "\(schema.name) lacks the versions \(missing.sorted())")
      #expect(schema.since.contains(schema.sameSince) || schema.sameSince == 1, "\(schema.name)")
    }
  }

  @Test func schemasHaveTheArityOfTheSpecification() throws {
    for type in Self.operators {
      let schema = type.schema
      let history = OperatorVersion.history(of: schema.qualifiedName)
      guard let newest = history.last(where: { !$0.isRemoval }) else { continue }
      for (range, formals, what) in [
        (schema.inputs, newest.inputs, "inputs"), (schema.outputs, newest.outputs, "outputs"),
      ] {
        let isVariadic = formals.last?.isVariadic ?? false
        #expect(
          range.upperBound == (isVariadic ? OperatorSchema.unlimited : formals.count),
          "\(schema.name): \(what)")
        let required = formals.filter { !$0.isOptional && !$0.isVariadic }.count
        #expect(
          range.lowerBound >= required || what == "outputs", "\(schema.name): \(what)")
      }
    }
  }

  /// The operators' examples, as models, give their outputs in onnxruntime or in ONNX's reference
  /// implementation, too; the two differ where the specification leaves things open.
  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func othersAgreeWithTheExamples() throws {
    try withTemporaryFolder { folder in
      var folders: [String] = []
      for type in Self.operators {
        for (number, example) in type.examples.enumerated()
        where !Self.disputed.contains("\(type.schema.name): \(example.name)") {
          let path = "\(folder)/\(type.schema.name)-\(number)"
          try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
          try withPlace("\(type.schema.name), \(example.name)") {
            try write(example, of: type, to: path)
          }
          folders.append(path)
        }
      }
      #expect(folders.count > 0)
      let result = try Python.run(["-c", Self.comparison, folder])
      #expect(result.status == 0, "\(result.output)")
    }
  }

  /// Examples that others refuse, compute as NaN or over no channels, pad with the number 0, or do
  /// not transform, and those with a language that their systems may not have.
  private static let disputed: Set = [
    "Constant: a sparse tensor", "DictVectorizer: integers to strings",
    "Dropout: training, all dropped", "If: false", "If: true", "LRN: even size, other exponent",
    "LinearRegressor: logistic, as the specification has it",
    "LinearRegressor: one target, of doubles",
    "MatMulInteger: zero points by row and column", "Pad: strings",
    "SVMRegressor: one class", "StringNormalizer: Turkish",
  ]

  private func write(
    _ example: OperatorExample, of type: any Operator.Type, to path: String
  ) throws {
    var graph = Graph(name: "example")
    let inputs = example.inputTypes.enumerated().map { index, type -> ValueID? in
      guard let type else { return nil }
      let id = graph.addInput(name: "input_\(index)", type: TensorType(.float, nil))
      graph[id].type = type
      return id
    }
    graph.nodes = [
      Node(
        operatorType: type.schema.name, domain: type.schema.domain, inputs: inputs,
        outputs: example.outputValues.enumerated().map { index, value -> ValueID? in
          value.map { value in
            let isTensor = (try? value.tensor) != nil
            return graph.addValue(
              name: "output_\(index)", type: isTensor ? value.staticType : nil)
          }
        }, attributes: example.attributes)
    ]
    graph.outputs = graph.nodes[0].outputs.compactMap { $0 }
    if !example.isOfTensors {
      try graph.inferTypes()
      for case (let id?, let value?) in zip(graph.nodes[0].outputs, example.outputValues) {
        if (try? value.tensor) != nil { graph[id].type = value.staticType }
      }
    }
    try ONNXExporter().write(graph, to: path + "/model.onnx")
    let outputs = graph.nodes[0].outputs
    for (kind, values, ids) in [
      ("input", example.inputValues, inputs), ("output", example.outputValues, outputs),
    ] {
      for case (let index, let value?) in values.enumerated() {
        let name = "\(kind)_\(index)"
        try TensorProtoWriter.write(
          value, name: name, type: ids[index].flatMap { graph[$0].type }, to: "\(path)/\(name).pb")
      }
    }
    try Data("\(example.tolerance)".utf8).write(to: URL(fileURLWithPath: path + "/tolerance"))
  }

  private static let comparison = """
    import glob, os, sys, numpy, onnx, onnxruntime
    from onnx import numpy_helper, reference
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    failed = False
    def mapping(proto):
        keys = [key.decode() for key in proto.string_keys] or list(proto.keys)
        return dict(zip(keys, (v.item() for v in numpy_helper.to_list(proto.values))))
    def read(folder, infos):
        values = {}
        for info in infos:
            content = open(folder + "/" + info.name + ".pb", "rb").read()
            if info.type.HasField("map_type"):
                values[info.name] = mapping(onnx.MapProto.FromString(content))
            elif info.type.HasField("sequence_type"):
                proto = onnx.SequenceProto.FromString(content)
                maps = list(map(mapping, proto.map_values))
                values[info.name] = maps or numpy_helper.to_list(proto)
            elif info.type.HasField("optional_type"):
                proto = onnx.OptionalProto.FromString(content)
                values[info.name] = numpy_helper.to_optional(proto)
            else:
                proto = onnx.TensorProto.FromString(content)
                values[info.name] = numpy_helper.to_array(proto)
        return values
    def agree(value, expected, tolerance):
        if isinstance(expected, dict):
            assert sorted(value) == sorted(expected), (value, expected)
            for key, number in expected.items():
                numpy.testing.assert_allclose(value[key], number, rtol=1e-6)
            return
        if expected is None or isinstance(expected, list):
            assert isinstance(value, list if isinstance(expected, list) else type(None)), value
            assert len(value or []) == len(expected or []), (value, expected)
            for one, other in zip(value or [], expected or []):
                agree(one, other, tolerance)
            return
        value = numpy.asarray(value)
        if value.dtype.kind == "U":
            value = value.astype(object)
        assert value.shape == expected.shape, (value.shape, expected.shape)
        assert value.dtype == expected.dtype, (value.dtype, expected.dtype)
        if value.dtype.kind in "fc":
            numpy.testing.assert_allclose(value, expected, rtol=tolerance, atol=tolerance)
        else:
            numpy.testing.assert_array_equal(value, expected)
    def compare(folder, run):
        path = folder + "/model.onnx"
        graph = onnx.load(path).graph
        feeds, expected = read(folder, graph.input), read(folder, graph.output)
        names = sorted(expected, key=lambda n: int(n[7:]))
        tolerance = max(float(open(folder + "/tolerance").read()), 1e-5)
        for name, value in zip(names, run(path, names, feeds)):
            agree(value, expected[name], tolerance)
    runs = {"onnxruntime": lambda path, names, feeds:
                onnxruntime.InferenceSession(path, options).run(names, feeds),
            "reference": lambda path, names, feeds:
                reference.ReferenceEvaluator(path).run(names, feeds)}
    for folder in sorted(glob.glob(sys.argv[1] + "/*")):
        messages = []
        try:
            onnx.checker.check_model(folder + "/model.onnx", full_check=True)
        except Exception as error:
            messages.append("checker: AssertionError " + str(error))
        else:
            for kind, run in runs.items():
                sys.stdout.flush()
                report, write = os.pipe()
                child = os.fork()  # Division by zero ends onnxruntime's process.
                if child == 0:
                    try:
                        compare(folder, run)
                        os._exit(0)
                    except BaseException as error:
                        os.write(write, (type(error).__name__ + " " + str(error)).encode()[:300])
                        os._exit(1)
                os.close(write)
                if os.waitpid(child, 0)[1] == 0:
                    messages = []
                    break
                messages.append(kind + ": " + (os.read(report, 400).decode() or "crashed"))
        # What neither can run is no disagreement.
        if any("AssertionError" in message for message in messages):
            print(os.path.basename(folder), "; ".join(messages).replace(chr(10), " "))
            failed = True
    sys.exit(failed)
    """
}
