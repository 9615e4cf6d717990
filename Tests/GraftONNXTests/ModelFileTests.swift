import Foundation
import GraftONNX
import GraftOperators
import Testing

/// Models of other people's making.
@Suite(.enabled(if: TestData.isPresent, "\(TestData.absence)"))
struct ModelFileTests {
  @Test func thereAreModels() {
    #expect(TestData.models.count >= 20)
  }

  @Test(arguments: TestData.models)
  func importsAndValidates(_ path: String) throws {
    let graph = try ONNXImporter().graph(path: path)
    try graph.validate()
    #expect(!graph.nodes.isEmpty)
    #expect(!graph.outputs.isEmpty)
  }

  @Test(arguments: TestData.models)
  func survivesExport(_ path: String) throws {
    let graph = try ONNXImporter().graph(path: path)
    try withTemporaryFolder { folder in
      for usesExternalData in [false, true] {
        let copyPath = "\(folder)/\(usesExternalData).onnx"
        do {
          try ONNXExporter(usesExternalData: usesExternalData).write(graph, to: copyPath)
        } catch let error as GraftError where error.description.contains("in its form of opset") {
          // Operators that are not known yet may stand in the way of the others' newest forms.
          #expect(!graph.unsupportedOperators().isEmpty)
          return
        }
        let copy = try ONNXImporter().graph(path: copyPath)
        #expect(differences(graph, copy) == [])
      }
    }
  }

  /// The reference implementation checks what comes out; needs a Python with `onnx` and `onnxruntime`.
  @Test(.enabled(if: Python.isPresent, "GRAFT_PYTHON names no Python with onnx and onnxruntime"))
  func othersAcceptExports() throws {
    try withTemporaryFolder { folder in
      var pairs: [String] = []
      for (number, path) in TestData.models.enumerated() {
        let graph = try ONNXImporter().graph(path: path)
        let copyPath = "\(folder)/\(number).onnx"
        let exporter = ONNXExporter(usesExternalData: number % 2 == 1)
        if (try? exporter.write(graph, to: copyPath)) != nil { pairs += [path, copyPath] }
      }
      #expect(pairs.count >= 2)
      let result = try Python.run(Self.comparison, pairs)
      #expect(result.status == 0, "\(result.output)")
    }
  }

  /// Checks each copy and compares its outputs with those of the original on random inputs.
  private static let comparison = """
    import sys, numpy, onnx, onnxruntime
    types = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16,
             "tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32, "tensor(uint8)": numpy.uint8}
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    failed = False
    for path, copy in zip(sys.argv[1::2], sys.argv[2::2]):
        try:
            try:
                onnx.checker.check_model(path, full_check=True)
            except Exception:
                pass
            else:
                onnx.checker.check_model(copy, full_check=True)
            try:
                session = onnxruntime.InferenceSession(path, options)
            except Exception:
                continue
            random = numpy.random.default_rng(1)
            feeds = {}
            for i in session.get_inputs():
                shape = [d if isinstance(d, int) else 1 for d in i.shape]
                feeds[i.name] = numpy.asarray(random.random(shape) * 4, types[i.type])
            expected = session.run(None, feeds)
            found = onnxruntime.InferenceSession(copy, options).run(None, feeds)
            for a, b in zip(expected, found):
                if isinstance(a, numpy.ndarray):
                    numpy.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)
        except Exception as error:
            print(path, type(error), str(error)[:600])
            failed = True
    sys.exit(failed)
    """
}

/// The Python that `GRAFT_PYTHON` names, for checks against other implementations.
enum Python {
  static let path: String? = ProcessInfo.processInfo.environment["GRAFT_PYTHON"]
  static var isPresent: Bool { path != nil }

  static func run(
    _ script: String, _ arguments: [String]
  ) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path ?? "")
    process.arguments = ["-c", script] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
