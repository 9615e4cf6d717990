import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Large weights stay in the bits in which a model stores them, and results are those of floats.
@Suite struct QuantizedWeightsTests {
  private struct Fixture {
    var graph = Graph(name: "fixture")
    private var generator = Generator(seed: 8)

    mutating func integers(_ type: ElementType, _ shape: Shape) throws -> Tensor {
      let range = type.isSignedInteger ? -8.0...7 : 0...15
      return try Tensor(
        doubles: (0..<shape.elementCount).map { _ in
          Double.random(in: range, using: &generator).rounded()
        }, as: type, shape: shape)
    }

    mutating func floats(_ shape: Shape, _ range: ClosedRange<Float> = -1...1) throws -> Tensor {
      try Tensor(
        (0..<shape.elementCount).map { _ in Float.random(in: range, using: &generator) },
        shape: shape)
    }

    /// Runs the graph as it is and lowered, and expects the same numbers.
    ///
    /// - Returns: the lowered graph
    func compared(_ inputs: [Tensor], accuracy: Double = 1e-5) throws -> Graph {
      var plain = Executable.Options()
      plain.optimizes = false
      let expected = try Session(Executable(graph, options: plain)).run(inputs)
      let executable = try Executable(graph)
      let results = try Session(executable).run(inputs)
      for (result, expected) in zip(results, expected) {
        try #require(result.shape == expected.shape)
        #expect(result.elementType == expected.elementType)
        for (a, b) in zip(try result.doubles(), try expected.doubles()) {
          #expect(abs(a - b) <= accuracy * max(1, abs(b)))
        }
      }
      return executable.graph
    }
  }

  /// The bytes of a graph's constants.
  private func byteCount(_ graph: Graph) -> Int {
    graph.constants.values.reduce(0) { $0 + $1.byteCount }
  }

  @Test(
    arguments: [ElementType.int8, .uint8, .int4, .uint4],
    ["one", "column", "row", "blocks", "columns, transposed"])
  func dequantizedWeightsOfAProduct(_ type: ElementType, _ scales: String) throws {
    var fixture = Fixture()
    let x = fixture.graph.addInput(name: "x", type: TensorType(.float, [.symbol("N"), 5, 160]))
    let isTransposed = scales.hasSuffix("transposed")
    let shape = isTransposed ? [256, 160] : [160, 256]
    let weights = try fixture.integers(type, shape)
    var attributes: [ByteString: Attribute] = ["axis": .int(scales.hasPrefix("column") ? 1 : 0)]
    var scaleShape: Shape = []
    switch scales {
    case "column": scaleShape = [256]
    case "row": scaleShape = [160]
    case "blocks":
      scaleShape = [5, 256]
      attributes["block_size"] = .int(32)
    case "columns, transposed":
      scaleShape = [256]
      attributes["axis"] = .int(0)
    default: break
    }
    let scale = fixture.graph.addConstant(try fixture.floats(scaleShape, 0.1...0.2))
    let zeroPoint = fixture.graph.addConstant(try fixture.integers(type, scaleShape))
    let integers = fixture.graph.addConstant(weights)
    var wide = fixture.graph.addNode(
      "DequantizeLinear", [integers, scale, zeroPoint], attributes: attributes)
    if isTransposed {
      wide = fixture.graph.addNode("Transpose", [wide], attributes: ["perm": .ints([1, 0])])
    }
    let product = fixture.graph.addNode("MatMul", [x, wide])
    let bias = fixture.graph.addConstant(try fixture.floats([256]))
    fixture.graph.outputs = [fixture.graph.addNode("Add", [bias, product])]
    let lowered = try fixture.compared([try fixture.floats([2, 5, 160])])
    #expect(lowered.nodes.map(\.operatorType) == ["MatMulQuantizedWeights"])
    let scaleBytes = scaleShape.elementCount * 5 + 256 * 4
    #expect(byteCount(lowered) <= 160 * 256 * type.bitWidth / 8 + scaleBytes)
  }

  @Test(arguments: [true, false])
  func castAndScaledWeights(hasZeroPoint: Bool) throws {
    var fixture = Fixture()
    let x = fixture.graph.addInput(name: "x", type: TensorType(.float, [3, 200]))
    let integers = fixture.graph.addConstant(try fixture.integers(.uint8, [200, 180]))
    var wide = fixture.graph.addNode("Cast", [integers], attributes: ["to": .int(1)])
    if hasZeroPoint {
      let zero = fixture.graph.addConstant(try Tensor(scalar: UInt8(3)))
      let cast = fixture.graph.addNode("Cast", [zero], attributes: ["to": .int(1)])
      wide = fixture.graph.addNode("Sub", [wide, cast])
    }
    let scale = fixture.graph.addConstant(try fixture.floats([1, 180], 0.1...0.2))
    wide = fixture.graph.addNode("Mul", [scale, wide])
    let bias = fixture.graph.addConstant(try fixture.floats([180]))
    fixture.graph.outputs = [fixture.graph.addNode("Gemm", [x, wide, bias])]
    let lowered = try fixture.compared([try fixture.floats([3, 200])])
    #expect(lowered.nodes.map(\.operatorType) == ["MatMulQuantizedWeights"])
    #expect(byteCount(lowered) < 200 * 180 * 2)
  }

  /// A table that is looked up, and, transposed, multiplied with.
  @Test(arguments: ["one", "row", "column", "blocks", "cast"])
  func embeddingTable(_ scales: String) throws {
    var fixture = Fixture()
    let indices = fixture.graph.addInput(name: "i", type: TensorType(.int64, [.symbol("N"), 3]))
    let one = fixture.graph.addInput(name: "j", type: TensorType(.int64, []))
    let integers = fixture.graph.addConstant(try fixture.integers(.int8, [600, 64]))
    var attributes: [ByteString: Attribute] = ["axis": .int(scales == "row" ? 0 : 1)]
    let shapes = ["row": [600], "column": [64], "blocks": [600, 4], "cast": [600, 1]]
    if scales == "blocks" { attributes["block_size"] = .int(16) }
    let scale = fixture.graph.addConstant(try fixture.floats(shapes[scales] ?? [], 0.1...0.2))
    let table: ValueID
    if scales == "cast" {
      let cast = fixture.graph.addNode("Cast", [integers], attributes: ["to": .int(1)])
      table = fixture.graph.addNode("Mul", [cast, scale])
    } else {
      table = fixture.graph.addNode(
        "DequantizeLinear", [integers, scale], attributes: attributes)
    }
    let rows = fixture.graph.addNode("Gather", [table, indices])
    let row = fixture.graph.addNode("Gather", [table, one])
    let transposed = fixture.graph.addNode(
      "Transpose", [table], attributes: ["perm": .ints([1, 0])])
    fixture.graph.outputs = [row, fixture.graph.addNode("MatMul", [rows, transposed])]
    let lowered = try fixture.compared([
      try Tensor([0, 599, -1, 7, 7, 300] as [Int64], shape: [2, 3]),
      try Tensor(scalar: Int64(5)),
    ])
    #expect(lowered.nodes.contains { $0.operatorType == "MatMulQuantizedWeights" })
    #expect(byteCount(lowered) < 600 * 64 * 2)
  }

  /// Half precision keeps its weights too.
  @Test func halfPrecision() throws {
    var fixture = Fixture()
    let x = fixture.graph.addInput(name: "x", type: TensorType(.float16, [4, 200]))
    let integers = fixture.graph.addConstant(try fixture.integers(.int4, [200, 180]))
    let scale = fixture.graph.addConstant(
      try Tensor(doubles: [Double](repeating: 0.125, count: 180), as: .float16, shape: [180]))
    let wide = fixture.graph.addNode("DequantizeLinear", [integers, scale])
    fixture.graph.outputs = [fixture.graph.addNode("MatMul", [x, wide])]
    let input = try Tensor(
      doubles: try fixture.floats([4, 200]).doubles(), as: .float16, shape: [4, 200])
    let lowered = try fixture.compared([input], accuracy: 2e-3)
    #expect(lowered.nodes.contains { $0.operatorType == "MatMulQuantizedWeights" })
    #expect(byteCount(lowered) < 200 * 180)
  }

  /// What products cannot read, and what is small, becomes floats as before.
  @Test func otherWeightsFold() throws {
    var fixture = Fixture()
    let x = fixture.graph.addInput(name: "x", type: TensorType(.float, [1, 8, 6, 6]))
    let kernel = fixture.graph.addConstant(try fixture.integers(.int8, [512, 8, 3, 3]))
    let scale = fixture.graph.addConstant(try Tensor(scalar: Float(0.1)))
    let wide = fixture.graph.addNode("DequantizeLinear", [kernel, scale])
    fixture.graph.outputs = [fixture.graph.addNode("Conv", [x, wide])]
    let lowered = try fixture.compared([try fixture.floats([1, 8, 6, 6])])
    #expect(!lowered.nodes.contains { $0.operatorType == "DequantizeLinear" })
  }
}
