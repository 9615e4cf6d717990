import GraftFiles
import GraftGraph
import GraftTensor

/// All that Graft knows of one operator; each lives in one file of GraftOperators.
///
/// An instance holds the decoded attributes of one node.
package protocol Operator: Sendable {
  static var schema: OperatorSchema { get }

  /// Decodes the attributes of a node at the newest opset.
  ///
  /// - Throws: `GraftError` if one is missing or wrong.
  init(_ attributes: AttributeReader) throws

  /// Turns a node of an older opset into the newest form, in place; it may add nodes before and after.
  ///
  /// - Parameter version: the newest of ``OperatorSchema/since`` that the model's opset includes
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext) throws

  /// Turns a node of the newest form into that of an older opset, in place: the way back of `upgrade`.
  ///
  /// It is called for opsets below ``OperatorSchema/sameSince`` only. Attributes that the opset does
  /// not have and that hold their defaults may stay: the exporter drops them. The node may become one
  /// of another operator, which is downgraded in its turn.
  /// - Throws: `GraftError` that says why the opset cannot express the node
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext) throws

  /// Says the types and shapes of the outputs, and checks those of the inputs.
  ///
  /// After it, `prepare` and the kernel may rely on what was checked here.
  /// - Throws: `GraftError` for a wrong model, ``InferenceStop`` where something is not known yet.
  func infer(_ context: inout InferenceContext) throws

  /// Makes the kernel for known shapes; packs constants.
  func prepare(_ context: PrepareContext) throws -> PreparedKernel

  /// Appends the nodes that compute the gradients of the inputs from those of the outputs.
  ///
  /// - Throws: `GraftError` if the operator has no gradient.
  func gradient(_ builder: inout GradientBuilder) throws

  /// Whether equal inputs always give equal outputs. Nodes for which this is false are never folded or merged.
  var isDeterministic: Bool { get }

  /// Whether the kernel reads inputs at any alignment (big weights in a mapped file). The inputs of all
  /// other operators are aligned to their element's width.
  static var acceptsUnalignedInputs: Bool { get }

  /// Whether the kernel may take subnormal numbers for zero, which some processors compute with slowly: products,
  /// with what is fused into them, and training steps. All other operators give what IEEE 754 says.
  static var flushesSubnormals: Bool { get }

  /// Small cases that drive the shape, kernel and gradient tests.
  static var examples: [OperatorExample] { get }
}

extension Operator {
  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {}

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    throw GraftError.unsupported("the operator was added later")
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    throw GraftError.unsupported("\(Self.schema.name) has no gradient yet")
  }

  package var isDeterministic: Bool { true }
  package static var acceptsUnalignedInputs: Bool { false }
  package static var flushesSubnormals: Bool { false }

  /// What ``prepare(_:)`` makes, with the arithmetic that the operator says.
  package func makeKernel(_ context: PrepareContext) throws -> PreparedKernel {
    var kernel = try prepare(context)
    kernel.flushesSubnormals = Self.flushesSubnormals
    return kernel
  }
}

/// Inputs, attributes and the outputs that must come of them.
package struct OperatorExample: Sendable {
  package let name: String
  package let attributes: [ByteString: Attribute]
  package let inputs: [Tensor?]
  package let outputs: [Tensor?]
  /// Largest difference allowed, relative to `max(1, |expected|)`.
  package let tolerance: Double
  /// Inputs whose gradients are checked against central differences.
  package let differentiableInputs: [Int]
  /// Outputs through which gradients flow; `nil` for all that are floating point.
  package let differentiableOutputs: [Int]?

  package init(
    _ name: String, attributes: [ByteString: Attribute] = [:], inputs: [Tensor?],
    outputs: [Tensor?],
    tolerance: Double = 1e-6, differentiableInputs: [Int] = [],
    differentiableOutputs: [Int]? = nil
  ) {
    self.name = name
    self.attributes = attributes
    self.inputs = inputs
    self.outputs = outputs
    self.tolerance = tolerance
    self.differentiableInputs = differentiableInputs
    self.differentiableOutputs = differentiableOutputs
  }
}
