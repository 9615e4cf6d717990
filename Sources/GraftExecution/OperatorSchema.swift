/// The fixed properties of an operator: name, history and arity.
package struct OperatorSchema: Sendable {
  package let name: String
  /// Empty for ONNX's own operators, `graft` for Graft's own.
  package let domain: String
  /// The versions of the domain at which the specification changed the operator, ascending.
  package let since: [Int]
  /// The lowest version at which the newest form has its present meaning; `downgrade` makes the
  /// forms of lower ones.
  package let sameSince: Int
  package let inputs: ClosedRange<Int>
  package let outputs: ClosedRange<Int>

  /// - Parameters:
  ///   - since: the versions of the domain that changed the operator, ascending
  ///   - sameSince: the lowest version with the same meaning of attributes and inputs as the
  ///     newest, apart from element types
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

  /// The operator in ONNX's notation: `Conv`, `ai.onnx.ml.Scaler`.
  package var qualifiedName: String { domain.isEmpty ? name : "\(domain).\(name)" }

  /// For operators with any number of inputs.
  package static let unlimited = Int(Int32.max)
}

/// The domains of operator sets other than `ai.onnx`.
package enum OperatorDomain {
  package static let machineLearning = "ai.onnx.ml"
  package static let preview = "ai.onnx.preview"
  package static let previewTraining = "ai.onnx.preview.training"
  /// onnxruntime's own operators, some of which exporters write.
  package static let microsoft = "com.microsoft"
  /// What ONNX removed from its own domain; in model files they stand there.
  package static let removed = "graft.removed"

  /// The domains of the specification.
  package static let standard = ["", machineLearning, preview, previewTraining]
}
