import CGraftKernels
import GraftFiles
import GraftGraph

/// An activation of a recurrent network, with its parameters.
struct RecurrentFunction: Sendable {
  let kind: Int32
  let alpha: Double
  let beta: Double

  /// What a function takes, with its defaults: those of the ONNX operator of that name.
  private struct Form {
    let kind: Int
    var alpha: Float?
    var beta: Float?
  }

  private static let forms: [ByteString: Form] = [
    "affine": Form(kind: GRAFT_RECURRENT_AFFINE, alpha: 1, beta: 0),
    "elu": Form(kind: GRAFT_RECURRENT_ELU, alpha: 1),
    "hardsigmoid": Form(kind: GRAFT_RECURRENT_HARD_SIGMOID, alpha: 0.2, beta: 0.5),
    "leakyrelu": Form(kind: GRAFT_RECURRENT_LEAKY_RELU, alpha: 0.01),
    "relu": Form(kind: GRAFT_RECURRENT_RELU),
    "scaledtanh": Form(kind: GRAFT_RECURRENT_SCALED_TANH, alpha: 1, beta: 1),
    "sigmoid": Form(kind: GRAFT_RECURRENT_SIGMOID),
    "softplus": Form(kind: GRAFT_RECURRENT_SOFTPLUS),
    "softsign": Form(kind: GRAFT_RECURRENT_SOFTSIGN),
    "tanh": Form(kind: GRAFT_RECURRENT_TANH),
    "thresholdedrelu": Form(kind: GRAFT_RECURRENT_THRESHOLDED_RELU, alpha: 1),
  ]

  /// The functions in `names`, in any case.
  ///
  /// Those that have parameters take them in turn from `alphas` and `betas`, as in onnxruntime; the
  /// specification only says "in the order of activation functions".
  static func functions(
    _ names: [String], alphas: [Float], betas: [Float]
  ) throws -> [RecurrentFunction] {
    var alphas = alphas[...]
    var betas = betas[...]
    return try names.map { name in
      guard let form = forms[ByteString(name.lowercased())] else {
        throw GraftError.badData("attribute 'activations' names the unknown function '\(name)'")
      }
      let alpha = form.alpha.map { alphas.popFirst() ?? $0 }
      let beta = form.beta.map { betas.popFirst() ?? $0 }
      return RecurrentFunction(
        kind: Int32(form.kind), alpha: Double(alpha ?? 0), beta: Double(beta ?? 0))
    }
  }

  /// The form of the kernels.
  var parameters: graft_recurrent_function {
    graft_recurrent_function(kind: kind, alpha: alpha, beta: beta)
  }
}
