import GraftFiles
import GraftGraph
import GraftTensor

/// Everything that Graft knows about one operator; each is in one file of GraftOperators.
///
/// An instance holds the decoded attributes of one node.
package protocol Operator: Sendable {
  static var schema: OperatorSchema { get }

  /// Decodes the attributes of a node at the newest opset.
  ///
  /// - Throws: `GraftError` if one is missing or invalid
  init(_ attributes: AttributeReader) throws

  /// Converts a node of an older opset to the newest form, in place; may add nodes before and
  /// after.
  ///
  /// - Parameter version: the newest of ``OperatorSchema/since`` that the model's opset includes
  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext) throws

  /// Converts a node of the newest form to an older opset, in place; the inverse of `upgrade`.
  ///
  /// It is called only for opsets below ``OperatorSchema/sameSince``. Attributes that the opset
  /// does not have may stay if they have their defaults: the exporter drops them. The node may
  /// become one of another operator, which is then downgraded too.
  /// - Throws: `GraftError` that says why the opset cannot express the node
  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext) throws

  /// Infers the types and shapes of the outputs, and checks those of the inputs.
  ///
  /// `prepare` and the kernel may rely on these checks.
  /// - Throws: `GraftError` for an invalid model, ``InferenceStop`` where something is not known
  ///   yet
  func infer(_ context: inout InferenceContext) throws

  /// Creates the kernel for known shapes; packs constants.
  func prepare(_ context: PrepareContext) throws -> PreparedKernel

  /// Appends the nodes that compute the gradients of the inputs from those of the outputs.
  ///
  /// - Throws: `GraftError` if the operator has no gradient
  func gradient(_ builder: inout GradientBuilder) throws

  /// Whether equal inputs always give equal outputs. Other nodes are never folded or merged.
  var isDeterministic: Bool { get }

  /// Whether the kernel reads inputs at any alignment (large weights in a mapped file). The inputs
  /// of all other operators are aligned to their element's width.
  static var acceptsUnalignedInputs: Bool { get }

  /// Whether the kernel may flush subnormal numbers to zero, which some processors compute with
  /// slowly: products, with what is fused into them, and training steps. All other operators follow
  /// IEEE 754.
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

  /// The kernel of ``prepare(_:)``, with the operator's treatment of subnormal numbers.
  package func makeKernel(_ context: PrepareContext) throws -> PreparedKernel {
    var kernel = try prepare(context)
    kernel.flushesSubnormals = Self.flushesSubnormals
    return kernel
  }
}

/// Inputs, attributes and the expected outputs.
package struct OperatorExample: Sendable {
  package let name: String
  package let attributes: [ByteString: Attribute]
  package let inputs: [Tensor?]
  package let outputs: [Tensor?]
  /// The largest allowed difference, relative to `max(1, |expected|)`.
  package let tolerance: Double
  /// Inputs whose gradients are checked against central differences.
  package let differentiableInputs: [Int]
  /// Outputs through which gradients flow; `nil` for all of floating point.
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
