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

  /// Whether its gradient is that of the nodes of ``spellOut(_:in:)``, instead of what
  /// ``gradient(_:)`` appends.
  static var isSpelledOut: Bool { get }

  /// Appends nodes of other operators that compute the same as a node.
  ///
  /// - Returns: its outputs
  func spellOut(_ node: Node, in graph: inout Graph) throws -> [ValueID?]

  /// Whether equal inputs always give equal outputs. Other nodes are never folded or merged.
  var isDeterministic: Bool { get }

  /// Whether nodes without the attribute `seed` draw random numbers. Lowering gives each of them
  /// the attribute `stream`, so that they draw different ones.
  static var drawsUnseeded: Bool { get }

  /// Whether the kernel reads inputs at any alignment (large weights in a mapped file). The inputs
  /// of all other operators are aligned to their element's width.
  static var acceptsUnalignedInputs: Bool { get }

  /// Whether the kernel may flush subnormal numbers to zero, which some processors compute with
  /// slowly: products, with what is fused into them, and training steps. All other operators follow
  /// IEEE 754.
  static var flushesSubnormals: Bool { get }

  /// How many of the first inputs are combined element by element, broadcast to one shape.
  /// The inputs after them are settings, alike for all elements. 0: it is not elementwise.
  static var operandCount: Int { get }

  /// How floats can stand in for float16 and bfloat16.
  static var widening: Widening { get }

  /// Whether output 0 equals input 0, whatever input 0 contains.
  func isIdentity(_ context: InferenceContext) -> Bool

  /// Whether output 0 is input 0 in another shape, its elements in the same order.
  static var onlyReshapes: Bool { get }

  /// What kernels apply to their results instead of running this node; `nil` if they cannot.
  func fusedActivation(_ context: InferenceContext) throws -> Activation?

  /// Whether all elements of output 0 are elements of input 0, of any type, wherever they move;
  /// operators of ``onlyReshapes`` need not say so.
  static var onlyMoves: Bool { get }

  /// The same operator with an ``Activation`` and rounding to narrow types, if there is one.
  static var fusedForm: OperatorSchema? { get }

  /// Inputs that training changes where they are constant.
  static var weightInputs: [Int] { get }

  /// Whether outputs are sums of input 0 times weights: a convolution or a matrix product.
  static var isWeightedSum: Bool { get }

  /// The axis of input 1 whose weights make one output channel each; input 2 is a bias for each.
  /// `nil` where scaling those weights does not scale the channels.
  var weightChannelAxis: Int? { get }

  /// How many multiply-adds a node has: 0 for all but weighted sums, `nil` if that is not known.
  ///
  /// - Parameters:
  ///   - inputs: the shapes of input 0 and of the weights
  ///   - output: the shape of output 0
  static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int?

  /// Whether many input elements make one output element, so that folding could take minutes.
  static var isLaborious: Bool { get }

  /// Small cases that drive the shape, kernel and gradient tests.
  static var examples: [OperatorExample] { get }
}

/// How an operator over float16 or bfloat16 can compute with the same numbers as floats.
package enum Widening: Sendable {
  /// Its float results, rounded to the narrow type, are what its kernel for that type gives.
  case rounds
  /// It moves, selects or compares: its float results are numbers of the narrow type already.
  case isExact
  /// It keeps its kernel for the narrow type.
  case isUnknown
}

/// An activation that kernels apply to their results before they store them.
package struct Activation: Sendable, Equatable {
  /// `GRAFT_ACTIVATION_…`
  package let kind: Int32
  /// Its `alpha` and `beta`, as far as it has them.
  package var parameters: [Float]

  package init(_ kind: some BinaryInteger, _ parameters: Float...) {
    self.kind = Int32(kind)
    self.parameters = parameters
  }
}

extension Operator {
  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {}

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    throw GraftError.unsupported("the operator is newer")
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    throw GraftError.unsupported("\(Self.schema.name) has no gradient yet")
  }

  package static var isSpelledOut: Bool { false }

  package func spellOut(_ node: Node, in graph: inout Graph) throws -> [ValueID?] {
    throw GraftError(.software, "\(Self.schema.name) is not made of others")
  }

  package var isDeterministic: Bool { true }
  package static var drawsUnseeded: Bool { false }
  package static var acceptsUnalignedInputs: Bool { false }
  package static var flushesSubnormals: Bool { false }
  package static var operandCount: Int { 0 }
  package static var widening: Widening { .isUnknown }
  package func isIdentity(_ context: InferenceContext) -> Bool { false }
  package func fusedActivation(_ context: InferenceContext) throws -> Activation? { nil }
  package static var onlyReshapes: Bool { false }
  package static var onlyMoves: Bool { false }
  package static var fusedForm: OperatorSchema? { nil }
  package static var weightInputs: [Int] { [] }
  package static var isWeightedSum: Bool { false }
  package var weightChannelAxis: Int? { nil }
  package static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? { 0 }
  package static var isLaborious: Bool { false }

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
  package let inputValues: [RuntimeValue?]
  /// The declared types of inputs, where the values do not tell: those without elements.
  private let declaredTypes: [ValueType?]
  package let outputValues: [RuntimeValue?]
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
    self.inputValues = inputs.map { $0.map { .tensor($0) } }
    self.declaredTypes = []
    self.outputValues = outputs.map { $0.map { .tensor($0) } }
    self.tolerance = tolerance
    self.differentiableInputs = differentiableInputs
    self.differentiableOutputs = differentiableOutputs
  }

  /// An example with sequences, optionals or other values.
  ///
  /// - Parameter types: the types of inputs without elements
  package init(
    _ name: String, attributes: [ByteString: Attribute] = [:], values: [RuntimeValue?],
    types: [ValueType?] = [], results: [RuntimeValue?]
  ) {
    self.name = name
    self.attributes = attributes
    self.inputValues = values
    self.declaredTypes = types
    self.outputValues = results
    self.tolerance = 1e-6
    self.differentiableInputs = []
    self.differentiableOutputs = nil
  }

  /// The inputs that are tensors.
  package var inputs: [Tensor?] { inputValues.map { try? $0?.tensor } }

  /// The expected outputs that are tensors.
  package var outputs: [Tensor?] { outputValues.map { try? $0?.tensor } }

  /// The types of the inputs.
  package var inputTypes: [ValueType?] {
    inputValues.enumerated().map { index, value in
      value?.staticType(declared: index < declaredTypes.count ? declaredTypes[index] : nil)
    }
  }

  /// Whether all inputs and outputs are tensors.
  package var isOfTensors: Bool {
    (inputValues + outputValues).allSatisfy { value in
      if case .tensor? = value { true } else { value == nil }
    }
  }
}

extension Operator {
  /// The examples with nothing but tensors.
  package static var tensorExamples: [OperatorExample] { examples.filter(\.isOfTensors) }
}
