import Foundation
import Graft
import GraftFiles
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import TestSupport
import Testing

@Suite struct ImageClassifierTests {
  /// A network that says which of three colours an image has most of.
  private func writeModel(to path: String) throws {
    var graph = Graph(name: "colours")
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 3, 4, 4]))
    let pooled = graph.addNode("GlobalAveragePool", [x])
    let flat = graph.addNode("Flatten", [pooled])
    graph.outputs = [graph.addNode("Softmax", [flat], outputName: "y")]
    graph.metadata["graft.preprocessing.name"] = "unit"
    graph.metadata["graft.labels"] = "red\ngreen\nblue"
    try graph.inferTypes()
    try ONNXExporter().write(graph, to: path)
  }

  /// One blue pixel as a 24-bit BMP.
  private let bluePixel: [UInt8] =
    [0x42, 0x4d, 58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    + [1, 0, 24, 0] + [UInt8](repeating: 0, count: 24) + [255, 0, 0, 0]

  @Test func namesWhatIsInAnImage() throws {
    let temporaryFolder = try TemporaryFolder()
    let folder = temporaryFolder.path
    try writeModel(to: "\(folder)/colours.onnx")
    try Data(bluePixel).write(to: URL(fileURLWithPath: "\(folder)/blue.bmp"))

    let classifier = try ImageClassifier(model: "\(folder)/colours.onnx")
    let predictions = try classifier.predictions(forImageAt: "\(folder)/blue.bmp", count: 2)
    #expect(predictions.count == 2)
    #expect(predictions[0].label == "blue")
    #expect(predictions[0].index == 2)
    // softmax(0, 0, 1)
    #expect(abs(predictions[0].probability - 0.5761169) < 1e-6)
    #expect(throws: (any Error).self) {
      try classifier.predictions(forImageAt: "\(folder)/none.bmp")
    }
  }
}
