import GraftExecution
import GraftGraph
import GraftTensor

extension InferenceContext {
  /// Output 0 has the type and shape of input `index`.
  mutating func setOutputLikeInput(_ index: Int = 0) throws {
    let type = try input(index)
    setOutput(0, type.elementType, type.shape)
  }

  /// Output 0 is the gradient of an activation whose result is input 1; input 0 is the output
  /// gradient. All inputs have one type.
  mutating func inferActivationGradient() throws {
    try require(0, .floatingPoint)
    try requireSameElementType(Array(0..<inputCount))
    let elementType = try elementType(0)
    setOutput(0, elementType, nil)
    let shape = try shape(1)
    setOutput(0, elementType, shape)
    try requireShapeAgrees(0, shape)
  }

  /// Output 0 has the broadcast shape of these inputs.
  mutating func setBroadcastOutput(_ elementType: ElementType, inputs: [Int]) throws {
    setOutput(0, elementType, nil)
    setOutput(0, elementType, try broadcast(inputs.map { try shape($0) }))
  }
}

extension InferenceContext {
  /// The constant scalar in a floating-point input; `value` if the input is left out.
  ///
  /// - Returns: `nil` if the input is not constant
  package func constantScalar(_ index: Int, default value: Float) throws -> Float? {
    guard hasInput(index) else { return value }
    guard let tensor = inputContents[index], tensor.elementType.isFloatingPoint,
      tensor.elementCount == 1
    else { return nil }
    return Float(try tensor.doubles()[0])
  }
}

extension Tensor {
  /// For examples: a valid tensor of floats.
  static func floats(_ elements: [Float], _ shape: Shape) -> Tensor {
    try! Tensor(elements, shape: shape)
  }

  /// For examples: a tensor of int64.
  static func integers(_ elements: [Int64], _ shape: Shape) -> Tensor {
    try! Tensor(elements, shape: shape)
  }

  /// For examples: a tensor of bools.
  static func bools(_ elements: [Bool], _ shape: Shape) -> Tensor {
    try! Tensor(elements, shape: shape)
  }
}
