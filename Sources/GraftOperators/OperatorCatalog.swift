@_exported import GraftExecution

/// All operators that Graft knows. Each line is one file of this target.
package enum OperatorCatalog {
  package static let operators: [any Operator.Type] =
    activations + elementwise + neuralNetwork + shapes + reductions + training

  static let activations: [any Operator.Type] = [
    Relu.self
  ]

  static let elementwise: [any Operator.Type] = [
    Add.self
  ]

  static let neuralNetwork: [any Operator.Type] = [
    Conv.self,
    ConvTranspose.self,
    ConvolutionInputGradient.self,
    ConvolutionWeightGradient.self,
    FusedConv.self,
    FusedGemm.self,
    Gemm.self,
    MatMul.self,
  ]

  static let shapes: [any Operator.Type] = [
    Identity.self,
    Reshape.self,
    Squeeze.self,
  ]

  static let reductions: [any Operator.Type] = []

  /// Graft's own domain: gradients, losses and optimizer steps.
  static let training: [any Operator.Type] = []

  private struct Key: Hashable {
    let domain: String
    let name: String
  }

  private static let table: [Key: any Operator.Type] = Dictionary(
    uniqueKeysWithValues: operators.map {
      (Key(domain: $0.schema.domain, name: $0.schema.name), $0)
    })

  package static func type(_ name: String, domain: String = "") -> (any Operator.Type)? {
    table[Key(domain: domain, name: name)]
  }

  package static func type(of node: Node) -> (any Operator.Type)? {
    type(node.operatorType, domain: node.domain)
  }

  /// The operator of a node, its attributes decoded.
  ///
  /// - Throws: `GraftError` if the operator is not known, or its attributes or arity are wrong.
  package static func make(_ node: Node) throws -> any Operator {
    guard let type = type(of: node) else {
      throw GraftError.unsupported("operator \(node.qualifiedType) is not supported")
    }
    let schema = type.schema
    guard schema.inputs.contains(node.inputs.count) else {
      throw GraftError.badData(
        "has \(node.inputs.count) inputs; expected \(describe(schema.inputs))")
    }
    guard node.outputs.count <= schema.outputs.upperBound else {
      throw GraftError.badData(
        "has \(node.outputs.count) outputs; expected \(describe(schema.outputs))")
    }
    return try type.init(AttributeReader(node.attributes))
  }

  private static func describe(_ range: ClosedRange<Int>) -> String {
    if range.lowerBound == range.upperBound { return "\(range.lowerBound)" }
    if range.upperBound == OperatorSchema.unlimited { return "at least \(range.lowerBound)" }
    return "\(range.lowerBound) to \(range.upperBound)"
  }
}
