import GraftExecution
import GraftOperators
import GraftTensor

/// Elementwise operators, which are independent of the layout.
enum BlockedElementwise {
  /// Operators with one computed input; their other inputs are settings.
  static let unary: Set<String> = [
    "Abs", "Ceil", "Celu", "Clip", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign",
    "Softplus", "Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu",
  ]
  static let variadic: Set<String> = [
    "Add", "Div", "Max", "Mean", "Min", "Mul", "PRelu", "Pow", "Sub", "Sum",
  ]

  /// A constant that broadcasts against [N, C, H, W], in the form that broadcasts against blocks;
  /// `nil` if it is neither a scalar nor one element per channel.
  static func operand(_ constant: Tensor, channels: Int) throws -> Tensor? {
    guard constant.elementType == .float, constant.rank <= 4 else { return nil }
    if constant.elementCount == 1 { return try constant.reshaped([]) }
    let shape = [Int](repeating: 1, count: 4 - constant.rank) + constant.shape
    guard shape == [1, channels, 1, 1] else { return nil }
    let blocks = blockCount(channels)
    var values = try constant.doubles().map(Float.init)
    // Padding channels hold 1, so that a division by them gives no infinity.
    values += [Float](repeating: 1, count: blocks * channelBlock - channels)
    return try Tensor(values, shape: [1, blocks, 1, 1, channelBlock])
  }
}
