import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The operation that a matrix product or convolution applies to its results before storing them.
///
/// Its attributes are `activation`, `activation_params` and `rounded_to`.
struct FusedActivation: Sendable, Equatable {
  private let activation: Activation
  private var rounding = Rounding.none

  /// Passes results through.
  static let identity = FusedActivation(
    Activation(GRAFT_ACTIVATION_CLAMP, -.infinity, .infinity))

  private init(_ activation: Activation) { self.activation = activation }

  /// The activation of a fused node; the identity if it has none.
  init(_ attributes: AttributeReader) throws {
    if let name = try attributes.value(.activation) {
      activation = try Self.activation(name, try attributes.value(.activationParameters) ?? [])
    } else {
      activation = Self.identity.activation
    }
    rounding = try Rounding(attributes.value(.roundedTo))
  }

  /// That of an operator of ONNX; what is not given is as in a node without attributes.
  private static func activation(_ name: String, _ parameters: [Float]) throws -> Activation {
    let alone = InferenceContext(inputTypes: [], inputContents: [], wantedOutputs: [])
    guard let type = OperatorCatalog.type(name),
      var activation = try? type.init(AttributeReader([:])).fusedActivation(alone)
    else { throw GraftError.badData("activation '\(name)' cannot be fused") }
    let givenCount = min(parameters.count, activation.parameters.count)
    activation.parameters.replaceSubrange(..<givenCount, with: parameters[..<givenCount])
    return activation
  }

  /// The form of the kernels.
  var parameters: graft_activation {
    // Kernels ask in every run, which must not allocate memory.
    let parameters = activation.parameters
    return graft_activation(
      kind: activation.kind, rounding: rounding.code,
      alpha: parameters.isEmpty ? 0 : Double(parameters[0]),
      beta: parameters.count > 1 ? Double(parameters[1]) : 0)
  }
}

extension AttributeKey<String> {
  /// The name of the ONNX operator that fused nodes apply to their results.
  package static var activation: Self { Self("activation") }
}

extension AttributeKey<[Float]> {
  /// The attributes of that operator, in the order of the specification.
  package static var activationParameters: Self { Self("activation_params") }
}

extension AttributeKey<ElementType> {
  /// float16 or bfloat16, if float results must finally be rounded to that type.
  package static var roundedTo: Self { Self("rounded_to") }
}
