import Foundation
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import TestSupport
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

  /// At the newest opset, which needs no other form of any node.
  @Test(arguments: TestData.models)
  func survivesExport(_ path: String) throws {
    let graph = try ONNXImporter().graph(path: path)
    try withTemporaryFolder { folder in
      for usesExternalData in [false, true] {
        let copyPath = "\(folder)/\(usesExternalData).onnx"
        do {
          try ONNXExporter(
            opset: ONNXImporter.newestOpset, usesExternalData: usesExternalData
          ).write(graph, to: copyPath)
        } catch let error as GraftError where error.description.contains("write it as in opset") {
          // Unknown operators may prevent the newest opset.
          #expect(!graph.unsupportedOperators().isEmpty)
          return
        }
        let copy = try ONNXImporter().graph(path: copyPath)
        #expect(differences(graph, copy) == [])
      }
    }
  }

  /// The reference implementation checks what comes out; needs a Python with `onnx` and
  /// `onnxruntime`.
  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
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
      let result = try Python.run(["-c", Self.comparison] + pairs)
      #expect(result.status == 0, "\(result.output)")
    }
  }

  /// Checks each copy, and compares what it computes with what the original computes, on the inputs
  /// that are stored in the folder of references.
  private static let comparison = """
    import os, sys, numpy, onnx, onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    failed = False
    for path, copy in zip(sys.argv[1::2], sys.argv[2::2]):
        try:
            try:
                onnx.checker.check_model(path, full_check=True)
            except Exception:
                pass  # The copy of a model that fails the check may fail it, too.
            else:
                onnx.checker.check_model(copy, full_check=True)
            parts = path.split("/")
            name = parts[-2] + "__" + parts[-1][:-5] + ".npz"
            reference = "/".join(parts[:-2] + ["reference", name])
            if not os.path.exists(reference):
                continue
            feeds = {name[3:]: array for name, array in numpy.load(reference).items()
                     if name.startswith("in:")}
            expected = onnxruntime.InferenceSession(path, options).run(None, feeds)
            found = onnxruntime.InferenceSession(copy, options).run(None, feeds)
            assert len(expected) == len(found)
            for a, b in zip(expected, found):
                if isinstance(a, numpy.ndarray):
                    half = a.dtype == numpy.float16
                    bound = 2e-3 if half else 1e-5
                    numpy.testing.assert_allclose(b, a, rtol=bound, atol=bound)
        except Exception as error:
            print(path, type(error), str(error)[:600])
            failed = True
    sys.exit(failed)
    """
}
