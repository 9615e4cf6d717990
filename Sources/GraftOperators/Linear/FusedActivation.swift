import CGraftKernels
import GraftFiles
import GraftGraph
import GraftTensor

/// The operation that a matrix product or convolution applies to its results before storing them.
///
/// As attributes: `activation` is the ONNX operator's name, `activation_params` its attributes in
/// the order of the specification. `rounded_to` is float16 or bfloat16, in the notation of Cast, if
/// float results must finally be rounded to that type.
struct FusedActivation: Sendable, Equatable {
  private let kind: Int
  private let alpha: Double
  private let beta: Double
  private var rounding = Rounding.none

  /// Passes results through.
  static let identity = FusedActivation(
    kind: GRAFT_ACTIVATION_CLAMP, alpha: -.infinity, beta: .infinity)

  /// The valid names of `activation`.
  static let names = [
    "Relu", "Clip", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Swish", "Tanh",
  ]

  private init(kind: some BinaryInteger, alpha: Double = 0, beta: Double = 0) {
    self.kind = Int(kind)
    self.alpha = alpha
    self.beta = beta
  }

  /// The activation of a fused node; the identity if it has none.
  init(_ attributes: AttributeReader) throws {
    try self.init(unrounded: attributes)
    rounding = try Rounding(attributes.elementType("rounded_to"))
  }

  private init(unrounded attributes: AttributeReader) throws {
    guard let name = try attributes.string("activation") else {
      self = .identity
      return
    }
    let parameters = try attributes.floats("activation_params") ?? []
    func parameter(_ index: Int, default value: Double) -> Double {
      index < parameters.count ? Double(parameters[index]) : value
    }
    switch name {
    case "Relu": self.init(kind: GRAFT_ACTIVATION_CLAMP, alpha: 0, beta: .infinity)
    case "Clip":
      self.init(
        kind: GRAFT_ACTIVATION_CLAMP, alpha: parameter(0, default: -.infinity),
        beta: parameter(1, default: .infinity))
    case "LeakyRelu":
      self.init(kind: GRAFT_ACTIVATION_LEAKY_RELU, alpha: parameter(0, default: 0.01))
    case "HardSigmoid":
      self.init(
        kind: GRAFT_ACTIVATION_HARD_SIGMOID, alpha: parameter(0, default: 0.2),
        beta: parameter(1, default: 0.5))
    case "HardSwish": self.init(kind: GRAFT_ACTIVATION_HARD_SWISH)
    case "Sigmoid": self.init(kind: GRAFT_ACTIVATION_SIGMOID)
    case "Swish": self.init(kind: GRAFT_ACTIVATION_SWISH, alpha: parameter(0, default: 1))
    case "Tanh": self.init(kind: GRAFT_ACTIVATION_TANH)
    default:
      throw GraftError.badData(
        "activation '\(name)' cannot be fused; expected one of "
          + FusedActivation.names.joined(separator: ", "))
    }
  }

  /// The form of the kernels.
  var parameters: graft_activation {
    graft_activation(kind: Int32(kind), rounding: rounding.code, alpha: alpha, beta: beta)
  }
}
