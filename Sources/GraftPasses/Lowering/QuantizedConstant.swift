import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// A constant matrix of integers that nodes widen to real numbers: a DequantizeLinear, or a Cast
/// with Sub and Mul.
struct QuantizedConstant {
  /// The integers.
  var value: ValueID
  var tensor: Tensor
  /// As in DequantizeLinear.
  var scale: Tensor
  var zeroPoint: Tensor?
  var axis: Int
  var blockSize: Int
  /// Whether the matrix is transposed after it was widened.
  var isTransposed = false

  /// `nil` if a value is nothing of the kind.
  init?(_ id: ValueID?, in graph: Graph, _ producers: [ValueID: Int]) throws {
    guard let id, var index = producers[id] else { return nil }
    // A loop, as a file may have any number of them.
    var transposeCount = 0
    while let permutation = try graph.nodes[index].operation(as: Transpose.self)?.permutation {
      guard permutation == [1, 0], let input = graph.nodes[index].inputs[0],
        let source = producers[input]
      else { return nil }
      transposeCount += 1
      index = source
    }
    let node = graph.nodes[index]
    if node.is(DequantizeLinear.self) {
      guard let found = try Self.dequantized(node, graph) else { return nil }
      self = found
    } else if node.is(Mul.self), node.inputs.count == 2 {
      guard let found = try Self.product(node, graph, producers) else { return nil }
      self = found
    } else {
      return nil
    }
    isTransposed = transposeCount % 2 == 1
    guard tensor.rank == 2, MatMulQuantizedWeights.weightTypes.contains(tensor.elementType),
      tensor.elementCount > 0
    else { return nil }
  }

  private init(
    value: ValueID, tensor: Tensor, scale: Tensor, zeroPoint: Tensor?, axis: Int, blockSize: Int
  ) {
    self.value = value
    self.tensor = tensor
    self.scale = scale
    self.zeroPoint = zeroPoint
    self.axis = axis
    self.blockSize = blockSize
  }

  private static func dequantized(_ node: Node, _ graph: Graph) throws -> QuantizedConstant? {
    guard let value = node.inputs[0], let tensor = graph.constants[value], tensor.rank == 2,
      let scale = graph.constant(node.inputs[1])
    else { return nil }
    var zeroPoint: Tensor?
    if node.inputs.count > 2, let input = node.inputs[2] {
      guard let constant = graph.constants[input], constant.elementCount == scale.elementCount
      else { return nil }
      zeroPoint = try constant.reshaped(scale.shape)
    }
    let attributes = AttributeReader(node.attributes)
    return QuantizedConstant(
      value: value, tensor: tensor, scale: scale, zeroPoint: zeroPoint,
      axis: try normalizedAxis(try attributes.int("axis", default: 1), rank: 2),
      blockSize: try attributes.int("block_size", default: 0))
  }

  /// Mul(Sub(Cast(integers), zero points), scales), where Sub may be missing.
  private static func product(
    _ node: Node, _ graph: Graph, _ producers: [ValueID: Int]
  ) throws -> QuantizedConstant? {
    for (factor, other) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
      guard let scale = graph.constant(factor), scale.elementType.isFloatingPoint,
        var source = other.flatMap({ producers[$0] }).map({ graph.nodes[$0] })
      else { continue }
      var zeroPoint: Tensor?
      if source.is(Sub.self), source.inputs.count == 2 {
        guard let constant = graph.constant(source.inputs[1]),
          let producer = source.inputs[0].flatMap({ producers[$0] })
        else { continue }
        zeroPoint = constant
        source = graph.nodes[producer]
      }
      guard source.is(Cast.self), let value = source.inputs[0],
        let tensor = graph.constants[value], tensor.rank == 2,
        graph.elementType(source.outputs[0]) == scale.elementType,
        let axis = axis(of: scale, tensor.shape)
      else { continue }
      var result = QuantizedConstant(
        value: value, tensor: tensor, scale: try scale.vector(axis), zeroPoint: nil,
        axis: axis ?? 1, blockSize: 0)
      if let zeroPoint {
        guard let other = self.axis(of: zeroPoint, tensor.shape),
          try result.setZeroPoint(zeroPoint, axis: other)
        else { continue }
      }
      return result
    }
    return nil
  }

  /// The axis along which a tensor that broadcasts to a matrix varies: `.some(nil)` for one
  /// element, `nil` if it is none of these.
  private static func axis(of tensor: Tensor, _ matrix: Shape) -> Int?? {
    if tensor.elementCount == 1, tensor.rank <= 2 { return .some(nil) }
    switch tensor.shape {
    case [matrix[1]], [1, matrix[1]]: return 1
    case [matrix[0], 1]: return 0
    default: return nil
    }
  }

  /// Takes zero points that are given as numbers of floating point, along an axis or for all.
  ///
  /// - Returns: false if they are not integers of the matrix, or along another axis than the scales
  private mutating func setZeroPoint(_ numbers: Tensor, axis: Int?) throws -> Bool {
    let integers = try numbers.doubles()
    let range = tensor.elementType.integerRange
    guard
      integers.allSatisfy({
        $0 == $0.rounded() && $0 >= Double(range.lowerBound) && $0 <= Double(range.upperBound)
      }), axis == nil || scale.elementCount == 1 || axis == self.axis
    else { return false }
    let count = max(integers.count, scale.elementCount)
    func repeated(_ values: [Double]) -> [Double] {
      values.count == count ? values : [Double](repeating: values[0], count: count)
    }
    let shape = count == 1 ? [] : [count]
    scale = try Tensor(
      doubles: repeated(try scale.doubles()), as: scale.elementType, shape: shape)
    zeroPoint = try Tensor(doubles: repeated(integers), as: tensor.elementType, shape: shape)
    if let axis { self.axis = axis }
    return true
  }

  var attributes: [ByteString: Attribute] {
    var attributes: [ByteString: Attribute] = ["axis": .int(axis)]
    if blockSize > 0 { attributes["block_size"] = .int(blockSize) }
    return attributes
  }
}

extension Tensor {
  /// The elements along an axis of a matrix, or the only one.
  fileprivate func vector(_ axis: Int?) throws -> Tensor {
    try reshaped(axis == nil ? [] : [elementCount])
  }
}
