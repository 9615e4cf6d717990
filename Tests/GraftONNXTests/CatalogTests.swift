import Foundation
import GraftONNX
import GraftOperators
import Testing

/// The catalog against what ONNX says of its operators.
@Suite struct CatalogTests {
  private static let operators = OperatorCatalog.operators.filter { $0.schema.domain.isEmpty }

  @Test func schemasHaveTheVersionsOfTheSpecification() {
    for type in Self.operators {
      let schema = type.schema
      let versions = OperatorVersion.history(of: schema.name).filter { !$0.isRemoval }
        .map(\.version)
      #expect(!versions.isEmpty, "\(schema.name) is no operator of ONNX")
      let missing = Set(versions).subtracting(schema.since)
      #expect(missing.isEmpty, "\(schema.name) lacks the versions \(missing.sorted())")
      #expect(schema.since.contains(schema.sameSince) || schema.sameSince == 1, "\(schema.name)")
    }
  }

  @Test func schemasHaveTheArityOfTheSpecification() throws {
    for type in Self.operators {
      let schema = type.schema
      guard let newest = OperatorVersion.history(of: schema.name).last(where: { !$0.isRemoval })
      else { continue }
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

  /// The operators' examples, as models, give their outputs in onnxruntime or ONNX's reference implementation,
  /// too.
  @Test(.enabled(if: Python.isPresent, "GRAFT_PYTHON names no Python with onnx and onnxruntime"))
  func othersAgreeWithTheExamples() throws {
    try withTemporaryFolder { folder in
      var folders: [String] = []
      for type in Self.operators {
        for (number, example) in type.examples.enumerated() {
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
      let result = try Python.run(Self.comparison, [folder])
      #expect(result.status == 0, "\(result.output)")
    }
  }

  private func write(
    _ example: OperatorExample, of type: any Operator.Type, to path: String
  ) throws {
    var graph = Graph(name: "example")
    let inputs = example.inputs.enumerated().map { index, tensor -> ValueID? in
      tensor.map {
        graph.addInput(
          name: "input_\(index)", type: TensorType($0.elementType, $0.shape.map { .known($0) }))
      }
    }
    graph.nodes = [
      Node(
        operatorType: type.schema.name, inputs: inputs,
        outputs: example.outputs.enumerated().map { index, tensor -> ValueID? in
          guard let tensor else { return nil }
          let type = TensorType(tensor.elementType, tensor.shape.map { .known($0) })
          return graph.addValue(name: "output_\(index)", type: .tensor(type))
        }, attributes: example.attributes)
    ]
    graph.outputs = graph.nodes[0].outputs.compactMap { $0 }
    try ONNXExporter().write(graph, to: path + "/model.onnx")
    for (kind, tensors) in [("input", example.inputs), ("output", example.outputs)] {
      for case (let index, let tensor?) in tensors.enumerated() {
        let name = "\(kind)_\(index)"
        try TensorProtoWriter.write(.tensor(tensor), name: name, to: "\(path)/\(name).pb")
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
    def read(pattern):
        tensors = {}
        for path in glob.glob(pattern):
            proto = onnx.TensorProto()
            proto.ParseFromString(open(path, "rb").read())
            tensors[proto.name] = numpy_helper.to_array(proto)
        return tensors
    for folder in sorted(glob.glob(sys.argv[1] + "/*")):
        name = os.path.basename(folder)
        try:
            path = folder + "/model.onnx"
            onnx.checker.check_model(path, full_check=True)
            feeds, expected = read(folder + "/input_*.pb"), read(folder + "/output_*.pb")
            names = sorted(expected, key=lambda n: int(n[7:]))
            tolerance = max(float(open(folder + "/tolerance").read()), 1e-5)
            found = None
            errors = []
            for run in (lambda: onnxruntime.InferenceSession(path, options).run(names, feeds),
                        lambda: reference.ReferenceEvaluator(path).run(names, feeds)):
                try:
                    found = run()
                except Exception as error:
                    errors.append(str(error)[:200])
                    continue
                if all(a.shape == expected[n].shape for n, a in zip(names, found)):
                    break
            if found is None:
                raise Exception("; ".join(errors))
            for output, array in zip(names, found):
                reference_array = expected[output]
                assert array.shape == reference_array.shape, (array.shape, reference_array.shape)
                assert array.dtype == reference_array.dtype, (array.dtype, reference_array.dtype)
                if reference_array.dtype.kind in "fc":
                    numpy.testing.assert_allclose(array, reference_array, rtol=tolerance, atol=tolerance)
                else:
                    numpy.testing.assert_array_equal(array, reference_array)
        except Exception as error:
            print(name, type(error).__name__, str(error)[:400].replace("\\n", " "))
            failed = True
    sys.exit(failed)
    """
}
