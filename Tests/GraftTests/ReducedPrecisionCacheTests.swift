import Foundation
import Graft
import GraftExecution
import GraftGraph
import GraftONNX
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Compiled models of reduced precision: the same answers as from cold starts, apart from those in
/// float.
@Suite final class ReducedPrecisionCacheTests: Sendable {
  private let temporaryFolder: TemporaryFolder
  private var folder: String { temporaryFolder.path }
  private var model: String { "\(folder)/model.onnx" }
  private var cache: ModelCache { ModelCache(root: "\(folder)/cache") }

  init() throws {
    temporaryFolder = try TemporaryFolder()
    try ONNXExporter().write(ReducedPrecisionCacheTests.graph(), to: model)
  }

  /// A pointwise convolution, and a product whose weights are large.
  private static func graph() throws -> Graph {
    var graph = Graph(name: "narrow")
    func constant(_ name: String, _ shape: Shape) throws -> ValueID {
      let values = (0..<shape.elementCount).map { Float(($0 &* 7919) % 1009) / 10_090 - 0.05 }
      return graph.addConstant(name: name, try Tensor(values, shape: shape))
    }
    let x = graph.addInput(name: "x", type: TensorType(.float, [.known(1), 96, 5, 5]))
    let image = graph.addNode("Conv", [x, try constant("w1", [64, 96, 1, 1])])
    let flat = graph.addNode("Flatten", [graph.addNode("Relu", [image])])
    graph.outputs = [
      graph.addNode("Gemm", [flat, try constant("w2", [1600, 301])], outputName: "y")
    ]
    return graph
  }

  private struct Start {
    var bits: [UInt32]
    var wasCompiled: Bool
    var packedByteCount: Int
  }

  private func start(
    _ precision: Precision, cache: ModelCache?, threads: Int = 2
  ) throws -> Start {
    var options = Executable.Options()
    options.precision = precision
    options.threadCount = threads
    let loaded = try ModelLoader().load(model, cache: cache, options: options)
    let executable = try loaded.executable(options)
    let x = try Tensor(
      (0..<2400).map { Float(($0 * 31) % 97) / 48 - 1 }, shape: [1, 96, 5, 5])
    let y = try Session(executable).run([x])[0].elements(as: Float.self)
    _ = try? loaded.compilation?.store(executable)
    return Start(
      bits: y.map(\.bitPattern), wasCompiled: loaded.compilation?.found != nil,
      packedByteCount: executable.packedConstants.byteCount)
  }

  @Test func floatIsTheDefault() {
    #expect(Executable.Options().precision == .float)
  }

  @Test func precisionsAreKeptApart() throws {
    let exact = try start(.float, cache: nil)
    let narrow = try start(.bfloat16, cache: nil)
    #expect(exact.bits != narrow.bits)
    // The product's weights in half of their bytes.
    #expect(narrow.packedByteCount >= 1600 * 301 * 2)
    for round in 0..<3 {
      let first = try start(.bfloat16, cache: cache)
      #expect(first.wasCompiled == (round > 0))
      #expect(first.bits == narrow.bits)
      let other = try start(.float, cache: cache)
      #expect(other.wasCompiled == (round > 0))
      #expect(other.bits == exact.bits)
    }
    #expect(cache.files().filter { $0.path.hasSuffix(".model") }.count == 2)
  }

  @Test func threadsDoNotChangeTheBits() throws {
    let expected = try start(.bfloat16, cache: nil, threads: 1).bits
    for threads in [2, 3, 8] {
      #expect(try start(.bfloat16, cache: nil, threads: threads).bits == expected)
    }
  }

  /// Errors stay near those of rounding one factor of each product.
  @Test func answersAreNearThoseInFloat() throws {
    let exact = try start(.float, cache: nil).bits.map { Float(bitPattern: $0) }
    let narrow = try start(.bfloat16, cache: nil).bits.map { Float(bitPattern: $0) }
    let squares = zip(exact, narrow).map { ($0 - $1) * ($0 - $1) }.reduce(0, +)
    let size = exact.map { $0 * $0 }.reduce(0, +)
    #expect(squares > 0 && (squares / size).squareRoot() < 0.01)
  }
}
