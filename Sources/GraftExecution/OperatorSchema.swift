/// What is fixed about an operator: its name, its history, its arity.
package struct OperatorSchema: Sendable {
  package let name: String
  /// Empty for ONNX's own operators, `graft` for Graft's own.
  package let domain: String
  /// The opsets at which the specification changed the operator, ascending.
  package let since: [Int]
  /// The lowest opset at which the newest form means what it means today; `downgrade` makes the forms
  /// of lower ones.
  package let sameSince: Int
  package let inputs: ClosedRange<Int>
  package let outputs: ClosedRange<Int>

  /// - Parameters:
  ///   - since: versions of `ai.onnx` that changed the operator, ascending
  ///   - sameSince: the lowest version whose attributes and inputs mean the same as in the newest, element
  ///     types aside
  package init(
    _ name: String, domain: String = "", since: [Int], sameSince: Int? = nil,
    inputs: ClosedRange<Int>, outputs: ClosedRange<Int> = 1...1
  ) {
    self.name = name
    self.domain = domain
    self.since = since
    self.sameSince = sameSince ?? since.last ?? 1
    self.inputs = inputs
    self.outputs = outputs
  }

  /// For operators with any number of inputs.
  package static let unlimited = Int(Int32.max)
}
