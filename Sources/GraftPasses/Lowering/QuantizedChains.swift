import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Computes in integers what stands between a DequantizeLinear and a QuantizeLinear: convolutions
/// and matrix products of bytes, sums of two values, pooling, functions of one value (as tables of
/// all bytes), and what only moves elements.
///
/// Sums of products are exact integers, which floats approximate: such a result may be rounded to
/// the other side of a tie that it is very close to, and then differs by one step. All others are
/// the same to the bit. Run it before constants fold.
package enum QuantizedChains: GraphPass {
  /// Whether there may be something to do.
  static func applies(to graph: Graph) -> Bool {
    graph.nodes.contains { $0.is(QuantizeLinear.self) }
      && graph.nodes.contains { $0.is(DequantizeLinear.self) }
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    var rewriter = QuantizedChainRewriter(graph)
    try rewriter.rewrite()
    guard rewriter.didChange else { return false }
    graph = rewriter.graph
    return true
  }
}

/// One scale and zero point for all elements of a value, as constants of a graph.
struct TensorQuantization {
  let scale: Float
  let zeroPoint: Int
  let elementType: ElementType
  let scaleValue: ValueID
  let zeroPointValue: ValueID

  /// Whether bytes stand for the same numbers.
  func isSame(as other: TensorQuantization) -> Bool {
    scale == other.scale && zeroPoint == other.zeroPoint && elementType == other.elementType
  }

  /// The byte for a number.
  func byte(for number: Float) -> Int {
    let quotient = (number / scale).rounded(.toNearestOrEven)
    let range = elementType.integerRange
    let sum = Double(quotient) + Double(zeroPoint)
    return Int(min(max(sum, Double(range.lowerBound)), Double(range.upperBound)))
  }
}

private struct QuantizedChainRewriter {
  var graph: Graph
  private(set) var didChange = false
  private let producers: [ValueID: Int]
  private let counts: [ValueID: Int]
  /// What a QuantizeLinear reads.
  private let quantizedValues: Set<ValueID>
  /// The nodes that take the place of the one being looked at.
  private var nodes: [Node] = []
  /// Zero points where nodes have none.
  private var zeros: [ElementType: ValueID] = [:]

  /// The largest product of two bytes minus their zero points. Sums of `mostProducts` fit in an
  /// int32.
  private static let largestProduct = 255 * 255
  private static let mostProducts = Int(Int32.max) / largestProduct

  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers()
    counts = graph.useCounts()
    quantizedValues = Set(
      graph.nodes.lazy.filter { $0.is(QuantizeLinear.self) }.compactMap { $0.inputs[0] })
  }

  mutating func rewrite() throws {
    var result: [Node] = []
    result.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      nodes = []
      let isConverted =
        node.is(QuantizeLinear.self) ? try convert(node) : try convertToFloats(node)
      result += isConverted ? nodes : [node]
      if isConverted { didChange = true }
    }
    if didChange { graph.nodes = result }
  }

  // MARK: Scales

  /// The parameters of a QuantizeLinear or DequantizeLinear of bytes with one scale.
  private mutating func quantization(
    _ node: Node, _ elementType: ElementType?
  ) throws -> TensorQuantization? {
    guard let elementType, elementType == .uint8 || elementType == .int8,
      let scaleValue = node.inputs[1], let scale = graph.constants[scaleValue],
      scale.elementType == .float, scale.elementCount == 1,
      node.attributes["precision"] == nil
    else { return nil }
    let factor = try (scale.isAligned ? scale : scale.copied()).elements(as: Float.self)[0]
    guard factor.isNormal, factor > 0 else { return nil }
    guard node.inputs.count > 2, let zeroPointValue = node.inputs[2] else {
      return TensorQuantization(
        scale: factor, zeroPoint: 0, elementType: elementType, scaleValue: scaleValue,
        zeroPointValue: try zero(elementType))
    }
    guard let zeroPoint = graph.constants[zeroPointValue], zeroPoint.elementCount == 1 else {
      return nil
    }
    return TensorQuantization(
      scale: factor, zeroPoint: try zeroPoint.integers()[0], elementType: elementType,
      scaleValue: scaleValue, zeroPointValue: zeroPointValue)
  }

  private mutating func zero(_ type: ElementType) throws -> ValueID {
    if let known = zeros[type] { return known }
    let value = graph.addConstant(try Tensor(zeros: type, shape: []))
    zeros[type] = value
    return value
  }

  private func producer(_ id: ValueID?) -> Node? {
    id.flatMap { producers[$0] }.map { graph.nodes[$0] }
  }

  /// The bytes that a DequantizeLinear makes this value of, and their parameters.
  private mutating func dequantized(
    _ id: ValueID?
  ) throws -> (bytes: ValueID, parameters: TensorQuantization)? {
    guard let node = producer(id), node.is(DequantizeLinear.self), let bytes = node.inputs[0],
      graph.elementType(id) == .float,
      let parameters = try quantization(node, graph.elementType(bytes))
    else { return nil }
    return (bytes, parameters)
  }

  /// Constant bytes with one scale and zero point, or one for each place of an axis.
  private struct Weights {
    let bytes: ValueID
    let tensor: Tensor
    let scale: [Double]
    let scaleValue: ValueID
    let zeroPointValue: ValueID
  }

  /// - Parameter axis: the axis whose places may have scales of their own
  private mutating func weights(_ id: ValueID?, axis: Int) throws -> Weights? {
    guard let node = producer(id), node.is(DequantizeLinear.self), let bytes = node.inputs[0],
      let tensor = graph.constants[bytes], tensor.rank > axis,
      tensor.elementType == .int8 || tensor.elementType == .uint8,
      let scaleValue = node.inputs[1], let scale = graph.constants[scaleValue],
      scale.elementType == .float, scale.rank <= 1
    else { return nil }
    let attributes = AttributeReader(node.attributes)
    guard try attributes.int("block_size", default: 0) == 0 else { return nil }
    if scale.elementCount > 1 {
      let own = try normalizedAxis(try attributes.int("axis", default: 1), rank: tensor.rank)
      guard own == axis, scale.elementCount == tensor.shape[axis] else { return nil }
    }
    let zeroPointValue: ValueID
    if node.inputs.count > 2, let value = node.inputs[2] {
      guard let zeroPoint = graph.constants[value], zeroPoint.elementCount == scale.elementCount
      else { return nil }
      zeroPointValue = value
    } else {
      zeroPointValue = try zero(tensor.elementType)
    }
    return Weights(
      bytes: bytes, tensor: tensor, scale: try scale.doubles(), scaleValue: scaleValue,
      zeroPointValue: zeroPointValue)
  }

  /// A bias as integers, in steps of the products' scales if it is quantized so, or else as floats;
  /// `.some(nil)` if there is none.
  ///
  /// - Parameter depth: the products of a sum
  private mutating func bias(
    _ id: ValueID?, count: Int, left: TensorQuantization, _ weights: Weights, depth: Int
  ) throws -> ValueID?? {
    guard let id else { return .some(nil) }
    var numbers: [Double]
    if let constant = graph.constants[id] {
      guard constant.elementType == .float else { return nil }
      numbers = try constant.doubles()
    } else {
      guard let node = producer(id), node.is(DequantizeLinear.self),
        let integers = graph.constant(node.inputs[0]), integers.elementType == .int32,
        let scale = graph.constant(node.inputs[1]),
        scale.elementCount == 1 || scale.elementCount == integers.elementCount
      else { return nil }
      if node.inputs.count > 2, let zeroPoint = graph.constant(node.inputs[2]) {
        guard try zeroPoint.integers().allSatisfy({ $0 == 0 }) else { return nil }
      }
      let scales = try scale.doubles()
      numbers = try integers.integers().enumerated().map { index, integer in
        Double(integer) * scales[scales.count == 1 ? 0 : index]
      }
    }
    if numbers.count == 1, count > 1 {
      numbers = [Double](repeating: numbers[0], count: count)
    }
    guard numbers.count == count else { return nil }
    let steps = numbers.enumerated().map { index, number in
      number / (Double(left.scale) * weights.scale[weights.scale.count == 1 ? 0 : index])
    }
    // A quantizer's scales are products of floats, rounded to floats.
    let mostSteps = Double(Int32.max) - Double(depth * Self.largestProduct)
    let areIntegers = steps.allSatisfy {
      abs($0) < mostSteps && abs($0 - $0.rounded()) <= max(1, abs($0)) * 0x1p-22
    }
    return graph.addConstant(
      areIntegers
        ? try Tensor(steps.map { Int32($0.rounded()) }, shape: [count])
        : try Tensor(numbers.map { Float($0) }, shape: [count]))
  }

  // MARK: Results of bytes

  /// Finds the integer form of a QuantizeLinear with what is before it.
  private mutating func convert(_ node: Node) throws -> Bool {
    guard let input = node.inputs[0], let output = node.outputs[0],
      graph.elementType(input) == .float,
      let target = try quantization(node, graph.elementType(output))
    else { return false }
    if try dequantized(input) != nil { return try tabulate(input, output, target, node) }
    guard counts[input] == 1, let operation = producer(input), operation.bodies.isEmpty else {
      return false
    }
    if try compute(operation, output, target, nil) { return true }
    // An activation before it only bounds the bytes.
    if let source = operation.inputs.first ?? nil, counts[source] == 1,
      let bounded = producer(source), bounded.bodies.isEmpty,
      let bounds = try bounds(operation, target),
      try compute(bounded, output, target, bounds)
    {
      return true
    }
    return try tabulate(input, output, target, node)
  }

  /// The lowest and highest bytes after a Relu or Clip.
  private func bounds(_ node: Node, _ target: TensorQuantization) throws -> [Int]? {
    let range = target.elementType.integerRange
    if node.is(Relu.self) { return [target.byte(for: 0), Int(range.upperBound)] }
    guard node.is(Clip.self) else { return nil }
    let context = graph.inferenceContext(of: node)
    guard let low = try context.constantScalar(1, default: -.infinity),
      let high = try context.constantScalar(2, default: .infinity), low <= high
    else { return nil }
    return [target.byte(for: low), target.byte(for: high)]
  }

  private mutating func compute(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization, _ bounds: [Int]?
  ) throws -> Bool {
    guard node.outputs.dropFirst().allSatisfy({ $0 == nil || counts[$0!] == nil }) else {
      return false
    }
    var attributes: [ByteString: Attribute] = [:]
    if let bounds { attributes["bounds"] = .ints(bounds) }
    if node.is(Conv.self) { return try convolve(node, output, target, attributes) }
    if node.is(MatMul.self) || node.is(Gemm.self) {
      return try multiply(node, output, target, attributes)
    }
    guard let type = OperatorCatalog.type(of: node) else { return false }
    if QuantizedBinary.has(type), node.inputs.count == 2 {
      return try combine(node, output, target, attributes)
    }
    // The others do not apply bounds.
    guard bounds == nil else { return false }
    if node.is(MaxPool.self) || type.onlyMoves || type.onlyReshapes {
      return try move(node, output, target)
    }
    if node.is(Concat.self) { return try concatenate(node, output, target) }
    if node.is(AveragePool.self) || node.is(GlobalAveragePool.self) {
      return try average(node, output, target)
    }
    return false
  }

  private mutating func convolve(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization,
    _ attributes: [ByteString: Attribute]
  ) throws -> Bool {
    guard let image = try dequantized(node.inputs[0]),
      let weights = try weights(node.inputs[1], axis: 0), (3...5).contains(weights.tensor.rank),
      let channels = weights.tensor.shape.first, channels > 0,
      weights.tensor.elementCount / channels <= Self.mostProducts,
      let bias = try bias(
        node.inputs.count > 2 ? node.inputs[2] : nil, count: channels, left: image.parameters,
        weights, depth: weights.tensor.elementCount / channels)
    else { return false }
    nodes.append(
      Node(
        name: node.name, operatorType: "QuantizedConv", domain: "graft",
        inputs: [
          image.bytes, image.parameters.scaleValue, image.parameters.zeroPointValue,
          weights.bytes, weights.scaleValue, weights.zeroPointValue, target.scaleValue,
          target.zeroPointValue, bias,
        ],
        outputs: [output],
        attributes: node.attributes.merging(attributes) { $1 }.merging([
          "planar_input": .int(1), "planar_output": .int(1),
        ]) { $1 }))
    return true
  }

  /// - Parameter target: `nil` for results that are floats
  private mutating func multiply(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization?,
    _ attributes: [ByteString: Attribute]
  ) throws -> Bool {
    guard let left = try dequantized(node.inputs[0]) else { return false }
    var attributes = attributes
    var biasInput: ValueID?
    var isTransposed = false
    if let gemm = try node.operation(as: Gemm.self)?.attributes {
      guard !gemm.isLeftTransposed, gemm.alpha == 1, gemm.beta == 1 || node.inputs.count < 3
      else { return false }
      isTransposed = gemm.isRightTransposed
      biasInput = node.inputs.count > 2 ? node.inputs[2] : nil
      if let biasInput, graph.rank(biasInput) != 1 { return false }
    }
    var operands: [ValueID?]
    var bias: ValueID?
    if let weights = try weights(node.inputs[1], axis: isTransposed ? 0 : 1),
      weights.tensor.rank == 2
    {
      let (rows, columns) = (weights.tensor.shape[0], weights.tensor.shape[1])
      let depth = isTransposed ? columns : rows
      guard depth <= Self.mostProducts,
        let found = try self.bias(
          biasInput, count: isTransposed ? rows : columns, left: left.parameters, weights,
          depth: depth)
      else { return false }
      bias = found
      operands = [weights.bytes, weights.scaleValue, weights.zeroPointValue]
    } else {
      guard target != nil, biasInput == nil, !isTransposed,
        let right = try dequantized(node.inputs[1]), graph.rank(right.bytes) ?? 0 >= 2,
        let depth = graph[left.bytes].type?.tensor?.shape?.last?.known,
        depth <= Self.mostProducts
      else { return false }
      operands = [
        right.bytes, right.parameters.scaleValue, right.parameters.zeroPointValue,
      ]
    }
    if isTransposed { attributes["transB"] = .int(1) }
    nodes.append(
      Node(
        name: node.name, operatorType: "QuantizedGemm", domain: "graft",
        inputs: [left.bytes, left.parameters.scaleValue, left.parameters.zeroPointValue]
          + operands + [target?.scaleValue, target?.zeroPointValue, bias],
        outputs: [output], attributes: attributes))
    return true
  }

  private mutating func combine(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization,
    _ attributes: [ByteString: Attribute]
  ) throws -> Bool {
    guard let left = try dequantized(node.inputs[0]), let right = try dequantized(node.inputs[1])
    else { return false }
    nodes.append(
      Node(
        name: node.name, operatorType: "QuantizedBinary", domain: "graft",
        inputs: [
          left.bytes, right.bytes, left.parameters.scaleValue, left.parameters.zeroPointValue,
          right.parameters.scaleValue, right.parameters.zeroPointValue, target.scaleValue,
          target.zeroPointValue,
        ],
        outputs: [output],
        attributes: attributes.merging(["operator": .string(node.operatorType)]) { $1 }))
    return true
  }

  /// What selects or moves elements does so with bytes, as scales are positive.
  private mutating func move(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization
  ) throws -> Bool {
    guard let source = try dequantized(node.inputs[0]) else { return false }
    var moved = node
    moved.inputs[0] = source.bytes
    moved.outputs = [output]
    guard !source.parameters.isSame(as: target) else {
      nodes.append(moved)
      return true
    }
    if node.is(MaxPool.self) {
      // A window within the padding has the lowest byte of the result.
      let bytes = graph.addValue(
        type: .tensor(
          TensorType(target.elementType, graph[source.bytes].type?.tensor?.shape)))
      try requantize(source.bytes, source.parameters, bytes, target)
      moved.inputs[0] = bytes
      nodes.append(moved)
      return true
    }
    let shape = node.outputs[0].flatMap { graph[$0].type?.tensor?.shape }
    let bytes = graph.addValue(
      type: .tensor(TensorType(source.parameters.elementType, shape)))
    moved.outputs = [bytes]
    nodes.append(moved)
    try requantize(bytes, source.parameters, output, target)
    return true
  }

  private mutating func concatenate(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization
  ) throws -> Bool {
    var parts: [(bytes: ValueID, parameters: TensorQuantization)] = []
    for input in node.inputs {
      guard let part = try dequantized(input) else { return false }
      parts.append(part)
    }
    var joined = node
    joined.outputs = [output]
    for (position, part) in parts.enumerated() {
      joined.inputs[position] = part.bytes
      guard !part.parameters.isSame(as: target) else { continue }
      let bytes = graph.addValue(
        type: .tensor(
          TensorType(target.elementType, graph[part.bytes].type?.tensor?.shape)))
      try requantize(part.bytes, part.parameters, bytes, target)
      joined.inputs[position] = bytes
    }
    nodes.append(joined)
    return true
  }

  private mutating func average(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization
  ) throws -> Bool {
    guard let image = try dequantized(node.inputs[0]),
      let shape = graph[image.bytes].type?.tensor?.shape, (3...5).contains(shape.count)
    else { return false }
    var attributes = node.attributes
    let pixels: Int?
    if let pool = try node.operation(as: AveragePool.self) {
      pixels = pool.window.kernel.checkedProduct
    } else {
      attributes["global"] = .int(1)
      pixels = Array(shape[2...]).knownShape?.checkedProduct
    }
    guard let pixels, pixels <= QuantizedAveragePool.mostPixels,
      let type = graph[output].type?.tensor
    else { return false }
    // The layout pass removes these where what is around has channels last.
    let last = graph.addValue(
      type: .tensor(TensorType(image.parameters.elementType, shape.channelsLast)))
    let result = graph.addValue(
      type: .tensor(TensorType(target.elementType, type.shape?.channelsLast)))
    nodes += [
      .channelsLast(image.bytes, to: last, rank: shape.count),
      Node(
        name: node.name, operatorType: "QuantizedAveragePool", domain: "graft",
        inputs: [
          last, image.parameters.scaleValue, image.parameters.zeroPointValue, target.scaleValue,
          target.zeroPointValue,
        ], outputs: [result], attributes: attributes),
      .channelsFirst(result, to: output, rank: shape.count),
    ]
    return true
  }

  // MARK: Tables

  private mutating func requantize(
    _ bytes: ValueID, _ source: TensorQuantization, _ output: ValueID,
    _ target: TensorQuantization
  ) throws {
    let table = (0..<256).map { code -> Int in
      let byte = source.elementType == .int8 ? Int(Int8(truncatingIfNeeded: code)) : code
      return target.byte(for: Float(byte - source.zeroPoint) * source.scale)
    }
    nodes.append(lookUp(bytes, try Tensor(bytes: table, target.elementType), output))
  }

  private mutating func lookUp(_ bytes: ValueID, _ table: Tensor, _ output: ValueID) -> Node {
    Node(
      operatorType: "QuantizedLookup", domain: "graft",
      inputs: [bytes, graph.addConstant(table)], outputs: [output])
  }

  /// The most nodes that become one table.
  private static let mostTabulated = 16

  /// Makes a table of elementwise nodes that depend on one dequantized value alone.
  private mutating func tabulate(
    _ input: ValueID, _ output: ValueID, _ target: TensorQuantization, _ quantizer: Node
  ) throws -> Bool {
    var source: (value: ValueID, bytes: ValueID, parameters: TensorQuantization)?
    var indices: Set<Int> = []
    var open = [input]
    while let value = open.popLast() {
      if let found = try dequantized(value) {
        guard source == nil || source!.bytes == found.bytes else { return false }
        source = (value, found.bytes, found.parameters)
        continue
      }
      if let constant = graph.constants[value] {
        guard constant.elementCount == 1 else { return false }
        continue
      }
      guard let index = producers[value], let type = OperatorCatalog.type(of: graph.nodes[index]),
        type.operandCount > 0, graph.nodes[index].bodies.isEmpty,
        graph.nodes[index].outputs.count == 1, graph.elementType(value) == .float
      else { return false }
      guard indices.insert(index).inserted else { continue }
      guard indices.count <= Self.mostTabulated else { return false }
      open += graph.nodes[index].inputs.compactMap { $0 }
    }
    guard let source, graph.haveSameShape(source.bytes, output) || indices.isEmpty else {
      return false
    }
    if indices.isEmpty, source.parameters.isSame(as: target) {
      nodes.append(Node(operatorType: "Identity", inputs: [source.bytes], outputs: [output]))
      return true
    }
    guard let table = try table(indices.sorted(), of: source.parameters, quantizer) else {
      return false
    }
    nodes.append(lookUp(source.bytes, table, output))
    return true
  }

  /// The results of some nodes for all bytes; `nil` if they cannot be computed here.
  private func table(
    _ indices: [Int], of source: TensorQuantization, _ quantizer: Node
  ) throws -> Tensor? {
    let codes = (0..<256).map {
      source.elementType == .int8 ? Int(Int8(truncatingIfNeeded: $0)) : $0
    }
    let numbers = try Tensor(
      codes.map { Float($0 - source.zeroPoint) * source.scale }, shape: [256])
    var known: [ValueID: Tensor] = [:]
    for index in indices + [-1] {
      let node = index < 0 ? quantizer : graph.nodes[index]
      var inputs: [RuntimeValue?] = []
      for input in node.inputs {
        guard let input else {
          inputs.append(nil)
          continue
        }
        // A constant of one element must not add axes.
        let constant = try graph.constants[input].map {
          $0.elementCount == 1 ? try $0.reshaped([]) : $0
        }
        inputs.append(.tensor(known[input] ?? constant ?? numbers))
      }
      let operation = try OperatorCatalog.make(node)
      guard operation.isDeterministic, let output = node.outputs[0],
        let result = try? evaluate(operation, inputs: inputs, wantedOutputs: [true])[0]?.tensor,
        result.elementCount == 256
      else { return nil }
      known[output] = try result.reshaped([256])
    }
    return quantizer.outputs[0].flatMap { known[$0] }
  }

  // MARK: Results of floats

  /// Products of bytes with constant weights, whose results stay floats.
  private mutating func convertToFloats(_ node: Node) throws -> Bool {
    guard node.is(MatMul.self) || node.is(Gemm.self), let output = node.outputs[0],
      graph.elementType(output) == .float
    else { return false }
    // A QuantizeLinear after it takes it in.
    guard counts[output] != 1 || !quantizedValues.contains(output) else { return false }
    return try multiply(node, output, nil, [:])
  }
}

extension Node {
  /// A Transpose from [N, C, …] to [N, …, C].
  static func channelsLast(_ input: ValueID, to output: ValueID, rank: Int) -> Node {
    Node(
      operatorType: "Transpose", inputs: [input], outputs: [output],
      attributes: ["perm": .ints(Array(0..<rank).channelsLast)])
  }

  /// The inverse of ``channelsLast(_:to:rank:)``.
  static func channelsFirst(_ input: ValueID, to output: ValueID, rank: Int) -> Node {
    Node(
      operatorType: "Transpose", inputs: [input], outputs: [output],
      attributes: ["perm": .ints(Array(0..<rank).channelsFirst)])
  }
}

extension Tensor {
  /// Bytes given as integers.
  fileprivate init(bytes: [Int], _ type: ElementType) throws {
    if type == .int8 {
      try self.init(bytes.map { Int8(truncatingIfNeeded: $0) }, shape: [bytes.count])
    } else {
      try self.init(bytes.map { UInt8(truncatingIfNeeded: $0) }, shape: [bytes.count])
    }
  }
}
