import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Chains of DequantizeLinear, operators and QuantizeLinear become integer kernels. Their results
/// are those of the single nodes, but for sums of products at a tie, which may differ by one step.
@Suite struct QuantizedChainTests {
  /// Builds networks as quantizers do: every value between two operators is quantized.
  private struct Network {
    var graph = Graph(name: "quantized")
    var type = ElementType.uint8
    var generator = Generator(seed: 21)
    /// The parameters of quantized values.
    private var parameters: [ValueID: (scale: ValueID, zero: ValueID)] = [:]

    init(_ type: ElementType = .uint8) { self.type = type }

    /// An input of floats, quantized.
    mutating func input(_ name: String, _ shape: [Dimension]) throws -> ValueID {
      try quantize(graph.addInput(name: name, type: TensorType(.float, shape)), range: -2...2)
    }

    /// A QuantizeLinear for a range of numbers.
    mutating func quantize(_ value: ValueID, range: ClosedRange<Float>) throws -> ValueID {
      let scale = (range.upperBound - range.lowerBound) / 255
      let lowest: Float = type == .int8 ? -128 : 0
      let zero = (lowest - range.lowerBound / scale).rounded()
      let scaleValue = graph.addConstant(try Tensor(scalar: scale))
      let zeroValue = graph.addConstant(
        try Tensor(doubles: [Double(zero)], as: type, shape: []))
      let quantized = graph.addNode("QuantizeLinear", [value, scaleValue, zeroValue])
      parameters[quantized] = (scaleValue, zeroValue)
      return quantized
    }

    mutating func dequantize(_ value: ValueID) -> ValueID {
      let (scale, zero) = parameters[value]!
      return graph.addNode("DequantizeLinear", [value, scale, zero])
    }

    /// Weights of int8, with a scale for each place of an axis, or with one scale and zero point.
    mutating func weights(_ shape: Shape, axis: Int?, type: ElementType = .int8) throws -> ValueID {
      let lowest = type == .int8 ? -127 : 0
      let integers = (0..<shape.elementCount).map { _ in
        Double(Int.random(in: lowest...lowest + 254, using: &generator))
      }
      let count = axis.map { shape[$0] } ?? 1
      let scales = (0..<count).map { _ in Float.random(in: 0.002...0.004, using: &generator) }
      let scaleShape = axis == nil ? [] : [count]
      let zeros = try Tensor(
        doubles: [Double](repeating: type == .int8 ? 0 : 130, count: count), as: type,
        shape: scaleShape)
      return graph.addNode(
        "DequantizeLinear",
        [
          graph.addConstant(try Tensor(doubles: integers, as: type, shape: shape)),
          graph.addConstant(try Tensor(scales, shape: scaleShape)), graph.addConstant(zeros),
        ], attributes: ["axis": .int(axis ?? 1)])
    }

    /// A quantized convolution of a quantized value.
    mutating func convolve(
      _ value: ValueID, _ shape: Shape, axis: Int? = 0, type: ElementType = .int8,
      attributes: [ByteString: Attribute] = [:], activation: String? = nil,
      range: ClosedRange<Float> = -3...3
    ) throws -> ValueID {
      let weights = try weights(shape, axis: axis, type: type)
      let bias = graph.addConstant(
        try Tensor(generator.floats(shape[0]), shape: [shape[0]]))
      var result = graph.addNode(
        "Conv", [dequantize(value), weights, bias], attributes: attributes)
      if let activation { result = graph.addNode(activation, [result]) }
      return try quantize(result, range: range)
    }

    /// Runs the graph as it is and lowered, and expects bytes within one step of each other.
    ///
    /// - Returns: the operators of the lowered graph
    mutating func operatorsAfterComparing(
      _ outputs: [ValueID], inputs shapes: [Shape], mostSteps: Int = 1
    ) throws -> [String] {
      graph.outputs = outputs
      let inputs = try shapes.map { shape in
        try Tensor(generator.floats(shape.elementCount).map { $0 * 2.2 }, shape: shape)
      }
      var plain = Executable.Options()
      plain.optimizes = false
      let expected = try Session(Executable(graph, options: plain)).run(inputs)
      let executable = try Executable(graph)
      let results = try Session(executable).run(inputs)
      for (result, expected) in zip(results, expected) {
        #expect(result.shape == expected.shape)
        #expect(result.elementType == expected.elementType)
        let (a, b) = (try result.doublesOrIntegers(), try expected.doublesOrIntegers())
        let unit = expected.elementType == .float ? 0.03 : 1
        let largest = zip(a, b).map { abs($0 - $1) }.max() ?? 0
        #expect(largest <= Double(mostSteps) * unit)
        #expect(Set(b).count > 7, "the results say little")
      }
      return executable.graph.nodes.map(\.operatorType)
    }
  }

  private static let padded: [ByteString: Attribute] = ["pads": .ints([1, 1, 1, 1])]

  @Test(arguments: [ElementType.uint8, .int8], [ElementType.int8, .uint8])
  func convolutions(_ type: ElementType, _ weightType: ElementType) throws {
    var network = Network(type)
    let x = try network.input("x", [.symbol("N"), 5, 11, 9])
    let first = try network.convolve(
      x, [24, 5, 3, 3], type: weightType, attributes: Self.padded, activation: "Relu",
      range: 0...4)
    let second = try network.convolve(
      first, [24, 1, 3, 3], axis: nil, type: weightType,
      attributes: ["group": .int(24), "strides": .ints([2, 2])])
    let third = try network.convolve(second, [7, 24, 1, 1], type: weightType)
    let operators = try network.operatorsAfterComparing([third], inputs: [[2, 5, 11, 9]])
    #expect(
      operators == [
        "QuantizeLinear", "QuantizedConv", "QuantizedConv", "QuantizedConv", "Transpose",
      ])
  }

  /// Bytes stay with channels last through a whole residual network.
  @Test(arguments: [ElementType.uint8, .int8])
  func residualNetwork(_ type: ElementType) throws {
    var network = Network(type)
    let x = try network.input("x", [1, 3, 32, 32])
    var value = try network.convolve(
      x, [16, 3, 7, 7],
      attributes: ["pads": .ints([3, 3, 3, 3]), "strides": .ints([2, 2])], activation: "Relu",
      range: 0...6)
    value = try network.quantize(
      network.graph.addNode(
        "MaxPool", [network.dequantize(value)],
        attributes: Self.padded.merging([
          "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]),
        ]) { $1 }), range: 0...6)
    let left = try network.convolve(
      value, [16, 16, 3, 3], attributes: Self.padded, range: -4...4)
    let sum = network.graph.addNode(
      "Add", [network.dequantize(left), network.dequantize(value)])
    value = try network.quantize(network.graph.addNode("Relu", [sum]), range: 0...8)
    let mean = network.graph.addNode("GlobalAveragePool", [network.dequantize(value)])
    value = try network.quantize(mean, range: 0...4)
    let flat = network.graph.addNode("Flatten", [network.dequantize(value)])
    value = try network.quantize(flat, range: 0...4)
    let weights = try network.weights([10, 16], axis: 0)
    let bias = network.graph.addConstant(
      try Tensor((0..<10).map { Float($0) / 9 - 0.5 }, shape: [10]))
    let product = network.graph.addNode(
      "Gemm", [network.dequantize(value), weights, bias], attributes: ["transB": .int(1)])
    let operators = try network.operatorsAfterComparing(
      [product, try network.quantize(product, range: -2...2)], inputs: [[1, 3, 32, 32]])
    #expect(!operators.contains("DequantizeLinear"))
    #expect(
      operators.filter { $0 != "Transpose" && $0 != "Flatten" && $0 != "Reshape" } == [
        "QuantizeLinear", "QuantizedConv", "QuantizedMaxPool", "QuantizedConv", "QuantizedBinary",
        "QuantizedAveragePool", "QuantizedGemm", "QuantizeLinear",
      ])
    #expect(operators.filter { $0 == "Transpose" }.count <= 1)
  }

  /// Functions of one value become tables, to the bit; Concat and what moves elements take bytes.
  @Test func tablesAndMovement() throws {
    var network = Network()
    let x = try network.input("x", [2, 6, 4])
    let real = network.dequantize(x)
    let gate = network.graph.addNode("Sigmoid", [real])
    let half = network.graph.addConstant(try Tensor(scalar: Float(0.5)))
    let swish = try network.quantize(
      network.graph.addNode("Mul", [real, gate]), range: -0.3...2)
    let affine = try network.quantize(
      network.graph.addNode(
        "Tanh", [network.graph.addNode("Mul", [network.dequantize(x), half])]), range: -1...1)
    let joined = network.graph.addNode(
      "Concat", [network.dequantize(swish), network.dequantize(affine)],
      attributes: ["axis": .int(1)])
    let wide = try network.quantize(joined, range: -1...2)
    let moved = network.graph.addNode(
      "Transpose", [network.dequantize(wide)], attributes: ["perm": .ints([2, 0, 1])])
    let result = try network.quantize(moved, range: -1...2)
    let operators = try network.operatorsAfterComparing(
      [result], inputs: [[2, 6, 4]], mostSteps: 0)
    #expect(
      operators.sorted() == [
        "Concat", "QuantizeLinear", "QuantizedLookup", "QuantizedLookup", "QuantizedLookup",
        "QuantizedLookup", "Transpose",
      ])
  }

  /// Sums and products of two values give the same bits; broadcast ones too.
  @Test(arguments: ["Add", "Sub", "Mul"]) func twoValues(_ name: String) throws {
    var network = Network(.int8)
    let x = try network.input("x", [3, 5, 40])
    let y = try network.input("y", [5, 1])
    let result = network.graph.addNode(name, [network.dequantize(x), network.dequantize(y)])
    let quantized = try network.quantize(result, range: -3...3)
    let operators = try network.operatorsAfterComparing(
      [quantized], inputs: [[3, 5, 40], [5, 1]], mostSteps: 0)
    #expect(operators == ["QuantizeLinear", "QuantizeLinear", "QuantizedBinary"])
  }

  /// A product of two computed matrices, and one with weights whose result stays a float.
  @Test func matrixProducts() throws {
    var network = Network()
    let x = try network.input("x", [2, 3, 9, 16])
    let y = try network.input("y", [3, 16, 11])
    let product = network.graph.addNode("MatMul", [network.dequantize(x), network.dequantize(y)])
    let quantized = try network.quantize(product, range: -12...12)
    let weights = try network.weights([11, 20], axis: 1)
    let last = network.graph.addNode("MatMul", [network.dequantize(quantized), weights])
    let operators = try network.operatorsAfterComparing(
      [quantized, network.graph.addNode("Tanh", [last])], inputs: [[2, 3, 9, 16], [3, 16, 11]],
      mostSteps: 4)
    #expect(
      operators == ["QuantizeLinear", "QuantizeLinear", "QuantizedGemm", "QuantizedGemm", "Tanh"])
  }

  /// Values that somebody else reads as floats keep their nodes.
  @Test func valuesWithOtherReadersStay() throws {
    var network = Network()
    let x = try network.input("x", [1, 4, 6, 6])
    let weights = try network.weights([4, 4, 3, 3], axis: 0)
    let convolved = network.graph.addNode("Conv", [network.dequantize(x), weights])
    let quantized = try network.quantize(convolved, range: -3...3)
    let operators = try network.operatorsAfterComparing(
      [quantized, convolved], inputs: [[1, 4, 6, 6]])
    #expect(operators.filter { $0 == "QuantizeLinear" }.count == 2)
    #expect(!operators.contains("QuantizedConv"))
  }

  /// Means with the scale of what they are of: many are at a tie, which floats round either way.
  @Test(arguments: [ElementType.uint8, .int8], [false, true])
  func meansAtTies(_ type: ElementType, _ countsPadding: Bool) throws {
    var network = Network(type)
    var results: [ValueID] = []
    var shapes: [Shape] = []
    for (shape, kernel) in [
      ([2, 37, 8, 10], [2, 2]), ([1, 5, 21], [4]), ([1, 8, 4, 6, 5], [2, 2, 2]),
      ([1, 300, 4, 8], []),
    ] as [(Shape, [Int])] {
      let x = try network.input("x\(shapes.count)", shape.map { .known($0) })
      let padding = [Int](repeating: 1, count: 2 * kernel.count)
      let mean = network.graph.addNode(
        kernel.isEmpty ? "GlobalAveragePool" : "AveragePool", [network.dequantize(x)],
        attributes: kernel.isEmpty
          ? [:]
          : [
            "kernel_shape": .ints(kernel), "pads": .ints(padding),
            "count_include_pad": .int(countsPadding ? 1 : 0),
          ])
      results.append(try network.quantize(mean, range: -2...2))
      shapes.append(shape)
    }
    let operators = try network.operatorsAfterComparing(results, inputs: shapes, mostSteps: 0)
    #expect(operators.filter { $0 == "QuantizedAveragePool" }.count == 4)
  }

  /// A window within the padding has the lowest integer, also where the scale changes.
  @Test func windowsWithinThePadding() throws {
    var network = Network(.int8)
    let x = try network.input("x", [1, 3, 6, 6])
    let pooled = network.graph.addNode(
      "MaxPool", [network.dequantize(x)],
      attributes: ["kernel_shape": .ints([1, 2]), "pads": .ints([1, 2, 0, 1])])
    let result = try network.quantize(pooled, range: -9...9)
    let operators = try network.operatorsAfterComparing(
      [result], inputs: [[1, 3, 6, 6]], mostSteps: 0)
    #expect(operators == ["QuantizeLinear", "QuantizedLookup", "MaxPool"])
  }

  /// A bias of floats need not be a multiple of the products' scales.
  @Test func biasOfFloats() throws {
    var network = Network(.int8)
    let x = try network.input("x", [1, 1, 60, 60])
    let weights = try network.weights([4, 1, 1, 1], axis: 0)
    let bias = network.graph.addConstant(try Tensor([0.3, -0.2, 0.1, 0] as [Float], shape: [4]))
    let convolved = network.graph.addNode("Conv", [network.dequantize(x), weights, bias])
    let result = try network.quantize(convolved, range: -2...2)
    let operators = try network.operatorsAfterComparing(
      [result], inputs: [[1, 1, 60, 60]], mostSteps: 0)
    #expect(operators == ["QuantizeLinear", "QuantizedConv", "Transpose"])
  }

  /// Windows of a mean keep channels last.
  @Test func averagePools() throws {
    var network = Network()
    let x = try network.input("x", [2, 8, 9, 7])
    let convolved = try network.convolve(x, [8, 8, 1, 1])
    let pooled = network.graph.addNode(
      "AveragePool", [network.dequantize(convolved)],
      attributes: Self.padded.merging([
        "kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]),
      ]) { $1 })
    let result = try network.quantize(pooled, range: -3...3)
    let operators = try network.operatorsAfterComparing([result], inputs: [[2, 8, 9, 7]])
    #expect(
      operators == ["QuantizeLinear", "QuantizedConv", "QuantizedAveragePool", "Transpose"])
  }
}

extension Tensor {
  fileprivate func doublesOrIntegers() throws -> [Double] {
    elementType.isInteger ? try integers().map(Double.init) : try doubles()
  }
}
