import GraftExecution
import GraftFiles
import GraftGraph

/// An operator on two quantized values, which broadcast, with a quantized result.
///
/// Inputs: A, B and the result, each with scale and zero point; the result has only these.
protocol QLinearBinary: ExpandedOperator {
  /// The operator on the real numbers.
  static var real: OperatorSchema { get }
}

extension QLinearBinary {
  func expand(_ node: inout Node, _ builder: inout some NodeBuilder) throws {
    let left = try builder.dequantized(node, 0)
    let right = try builder.dequantized(node, 3)
    let result = try builder.add(Self.real.name, [left, right])
    try builder.quantize(result, &node, 6, like: 0)
  }
}
