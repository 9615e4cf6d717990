import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

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

extension QuantizedChainRewriter {
  /// The parameters of a QuantizeLinear or DequantizeLinear of bytes with one scale.
  mutating func quantization(
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

  mutating func zero(_ type: ElementType) throws -> ValueID {
    if let known = zeros[type] { return known }
    let value = graph.addConstant(try Tensor(zeros: type, shape: []))
    zeros[type] = value
    return value
  }

  func producer(_ id: ValueID?) -> Node? {
    id.flatMap { producers[$0] }.map { graph.nodes[$0] }
  }

  /// The bytes that a DequantizeLinear makes this value of, and their parameters.
  mutating func dequantized(
    _ id: ValueID?
  ) throws -> (bytes: ValueID, parameters: TensorQuantization)? {
    guard let node = producer(id), node.is(DequantizeLinear.self), let bytes = node.inputs[0],
      graph.elementType(id) == .float,
      let parameters = try quantization(node, graph.elementType(bytes))
    else { return nil }
    return (bytes, parameters)
  }

  /// Constant bytes with one scale and zero point, or one for each place of an axis.
  struct Weights {
    let bytes: ValueID
    let tensor: Tensor
    let scale: [Double]
    let scaleValue: ValueID
    let zeroPointValue: ValueID
  }

  /// - Parameter axis: the axis whose places may have scales of their own
  mutating func weights(_ id: ValueID?, axis: Int) throws -> Weights? {
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
  mutating func bias(
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
}
