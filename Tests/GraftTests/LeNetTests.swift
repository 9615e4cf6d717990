import Foundation
import GraftData
import GraftGraph
import GraftKeras
import GraftModels
import GraftONNX
import GraftRuntime
import GraftTensor
import GraftTraining
import Testing

/// LeNet on the real MNIST: trains, exports, and gives the same answers again.
@Suite struct LeNetTests {
  static let data = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"]

  @Test(.enabled(if: data != nil, "GRAFT_TEST_DATA is not set"))
  func reaches97PercentInTwoEpochs() throws {
    let folder = "\(Self.data!)/mnist"
    let training = try MNIST(folder: folder, prefix: "train")
    let test = try MNIST(folder: folder, prefix: "t10k")
    var generator = SeededGenerator(seed: 7)
    let graph = try LeNet.graph(using: &generator)
    let trainer = try Trainer(
      graph,
      settings: Trainer.Settings(
        loss: SoftmaxCrossEntropy(), optimizer: try Optimizers.named("sgd(momentum=0.9)")))
    var step = 0
    let batchSize = 64
    for _ in 0..<2 {
      let order = generator.permutation(training.count)
      for start in stride(from: 0, to: order.count - batchSize + 1, by: batchSize) {
        let (images, labels) = try training.batch(Array(order[start..<start + batchSize]))
        step += 1
        _ = try trainer.step(inputs: [images], targets: labels, learningRate: 0.02, step: step)
      }
    }

    let trained = graph.replacing(try trainer.values())
    let session = Session(try Executable(trained))
    let (images, labels) = try test.batch(Array(0..<test.count))
    let logits = try session.run([images])[0]
    let accuracy = try Self.accuracy(logits, labels)
    #expect(accuracy >= 0.97, "accuracy \(accuracy)")
    try Self.export(trained, images, logits, labels)
  }

  private static func accuracy(_ logits: Tensor, _ labels: Tensor) throws -> Double {
    let scores = try logits.elements(as: Float.self)
    let truth = try labels.integers()
    let right = truth.indices.count { index in
      let row = scores[index * 10..<(index + 1) * 10]
      return row.firstIndex(of: row.max()!)! - row.startIndex == truth[index]
    }
    return Double(right) / Double(truth.count)
  }

  /// Leaves what the interop tests compare with onnxruntime, and reads it back.
  private static func export(
    _ graph: Graph, _ images: Tensor, _ logits: Tensor, _ labels: Tensor
  ) throws {
    let folder =
      ProcessInfo.processInfo.environment["GRAFT_TEST_OUTPUT"] ?? NSTemporaryDirectory()
    let model = "\(folder)/lenet.onnx"
    try ONNXExporter().write(graph, to: model)
    try NPZFile.write(
      [("image", images), ("logits", logits), ("labels", labels)], path: "\(folder)/lenet.npz")
    let again = Session(try Executable(ONNXImporter().graph(path: model)))
    let outputs = try again.run([images])[0]
    #expect(try outputs.elements(as: Float.self) == logits.elements(as: Float.self))
  }
}

/// The MNIST files, unpacked by gzip.
private struct MNIST {
  let images: Tensor
  let labels: Tensor

  var count: Int { images.shape[0] }

  init(folder: String, prefix: String) throws {
    images = try MNIST.read("\(folder)/\(prefix)-images-idx3-ubyte.gz")
    labels = try MNIST.read("\(folder)/\(prefix)-labels-idx1-ubyte.gz")
  }

  private static func read(_ path: String) throws -> Tensor {
    let unpacked = NSTemporaryDirectory() + "graft-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: unpacked) }
    let gzip = Process()
    gzip.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    gzip.arguments = ["sh", "-c", "gzip -dc \"$1\" > \"$2\"", "sh", path, unpacked]
    try gzip.run()
    gzip.waitUntilExit()
    return try IDXFile.read(path: unpacked)
  }

  /// Images `[N, 1, 28, 28]` from 0 to 1, and their classes `[N]`.
  func batch(_ indices: [Int]) throws -> (images: Tensor, labels: Tensor) {
    let pixelCount = 28 * 28
    let images = try Tensor(zeros: .float, shape: [indices.count, 1, 28, 28])
    let classes = try Tensor(zeros: .int64, shape: [indices.count])
    self.images.withUnsafeBytes { source in
      images.withUnsafeMutableBytes { target in
        let values = target.bindMemory(to: Float.self)
        for (position, index) in indices.enumerated() {
          for pixel in 0..<pixelCount {
            values[position * pixelCount + pixel] = Float(source[index * pixelCount + pixel]) / 255
          }
        }
      }
    }
    labels.withUnsafeBytes { source in
      classes.withUnsafeMutableBytes { target in
        let values = target.bindMemory(to: Int64.self)
        for (position, index) in indices.enumerated() { values[position] = Int64(source[index]) }
      }
    }
    return (images, classes)
  }
}
