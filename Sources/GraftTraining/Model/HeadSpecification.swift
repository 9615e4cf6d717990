import GraftExecution
import GraftFiles
import GraftOperators

/// The layers of a head as text: `gmp,dropout(0.3),dense(128,relu,l2=1e-5),dense(classes)`; or
/// `keep` for a network that already has layers to score the classes.
package struct HeadSpecification: Sendable, Hashable {
  package enum Layer: Sendable, Hashable {
    /// `gmp` and `gap`: the maximum or mean of each channel, [N, C, …] to [N, C].
    case globalMaxPool
    case globalAveragePool
    /// `flatten`: [N, …] to [N, elements].
    case flatten
    /// `normalization`: [N, C] with mean 0 and variance 1 of each feature over the training images,
    /// like Keras's layer after `adapt`.
    ///
    /// Source: <https://keras.io/api/layers/preprocessing_layers/numerical/normalization/>
    case normalization
    /// `dropout(0.3)`: the fraction of elements that training sets to zero.
    case dropout(Float)
    /// `dense(128,relu,l2=1e-5)`: [N, inputs] to [N, units].
    case dense(Dense)

    /// Whether the layer computes the same in each training step.
    fileprivate var isFixed: Bool {
      switch self {
      case .globalMaxPool, .globalAveragePool, .flatten: true
      case .normalization, .dropout, .dense: false
      }
    }
  }

  package struct Dense: Sendable, Hashable {
    /// `nil` for `classes`: as many as the classes need.
    package var units: Int?
    /// An ONNX operator with one input.
    package var activation: String?
    package var penalty = WeightPenalty()
  }

  /// Empty if the network's own last layers are kept.
  package var layers: [Layer]

  /// The text for no layers.
  private static let keep = "keep"
  package var keepsNetworkHead: Bool { layers.isEmpty }

  /// Logistic regression on normalized features.
  package static let standard = try! HeadSpecification(
    "gap,normalization,dense(classes,l2=auto)")

  /// A head for networks that are trained as a whole: pooling, dropout, a layer of 128 units, and
  /// the classes.
  package static let untrained = try! HeadSpecification(
    "gmp,dropout(0.3),dense(128,relu,l2=1e-5),dense(classes)")

  private static let activations = Dictionary(
    uniqueKeysWithValues: [
      Elu.schema, Gelu.schema, LeakyRelu.schema, Relu.schema, Selu.schema, Sigmoid.schema,
      Softplus.schema, Swish.schema, Tanh.schema,
    ].map { ($0.name.lowercased(), $0.name) })

  /// - Throws: `GraftError` that says which part of the text is invalid
  package init(_ text: String) throws {
    guard text.trimmed != HeadSpecification.keep else {
      layers = []
      return
    }
    layers = try NamedCall.list(text).map { try HeadSpecification.layer($0) }
    guard case .dense(let last)? = layers.last, last.units == nil, last.activation == nil else {
      throw GraftError.usage(
        "head '\(text)' does not end with dense(classes)",
        hint: "End it with dense(classes), one score for each class, without activation")
    }
    if let index = layers.firstIndex(of: .normalization),
      layers[..<index].contains(where: { !$0.isFixed })
    {
      throw GraftError.usage(
        "head '\(text)' normalizes features that training changes",
        hint: "Put normalization before dropout and dense")
    }
    let scoreLayers = layers.filter {
      if case .dense(let layer) = $0 { layer.units == nil } else { false }
    }
    guard scoreLayers.count == 1 else {
      throw GraftError.usage(
        "head '\(text)' has several dense(classes)", hint: "Use it for the last layer only")
    }
  }

  private static let layerNames = ["gmp", "gap", "flatten", "normalization", "dropout", "dense"]

  private static func layer(_ call: NamedCall) throws -> Layer {
    switch call.name {
    case "gmp", "gap", "flatten", "normalization":
      try call.requireNoMore(usage: call.name)
      switch call.name {
      case "gmp": return .globalMaxPool
      case "gap": return .globalAveragePool
      case "flatten": return .flatten
      default: return .normalization
      }
    case "dropout":
      let form = RecipeForm<Float>(
        description: "a fraction from 0 to below 1, such as dropout(0.3)",
        accepts: { (0..<1).contains($0) })
      guard call.arguments.count == 1, call.arguments[0].key == nil else {
        throw GraftError.usage("'dropout' requires one number", hint: "Use \(form.description)")
      }
      return .dropout(try form.value(of: call.arguments[0].value, "'dropout'"))
    case "dense": return .dense(try dense(call))
    default:
      throw GraftError.usage(
        "unknown layer '\(call.name)'",
        hint: nearestNamesHint(call.name, among: layerNames + [keep])
          ?? "Use \(layerNames.alternatives); or keep for the network's own"
      )
    }
  }

  private static var denseUsage: String {
    "dense(UNITS,ACTIVATION,l1=…,l2=…), with one of "
      + activations.keys.sorted().joined(separator: ", ")
  }

  private static func dense(_ call: NamedCall) throws -> Dense {
    var call = call
    var layer = Dense()
    layer.penalty = try WeightPenalty(takingFrom: &call)
    guard let units = call.arguments.first?.value, call.arguments[0].key == nil else {
      throw GraftError.usage("'dense' has no number of units", hint: "Use \(denseUsage)")
    }
    call.arguments.removeFirst()
    if units != "classes" {
      var form = RecipeForm.from(1...1 << 20)
      form.description += ", or classes"
      layer.units = try form.value(of: units, "'dense'")
    }
    if let argument = call.arguments.first, argument.key == nil {
      layer.activation = activations[argument.value]
      if layer.activation != nil { call.arguments.removeFirst() }
    }
    try call.requireNoMore(usage: denseUsage)
    return layer
  }
}

extension HeadSpecification: CustomStringConvertible {
  package var description: String {
    if keepsNetworkHead { return HeadSpecification.keep }
    return layers.map { layer in
      switch layer {
      case .globalMaxPool: return "gmp"
      case .globalAveragePool: return "gap"
      case .flatten: return "flatten"
      case .normalization: return "normalization"
      case .dropout(let ratio): return "dropout(\(ratio))"
      case .dense(let dense):
        var arguments = [dense.units.map(String.init) ?? "classes"]
        if let activation = dense.activation { arguments.append(activation.lowercased()) }
        if dense.penalty.l1 != 0 { arguments.append("l1=\(dense.penalty.l1)") }
        if dense.penalty.isAutomatic { arguments.append("l2=auto") }
        if dense.penalty.l2 != 0 { arguments.append("l2=\(dense.penalty.l2)") }
        return "dense(\(arguments.joined(separator: ",")))"
      }
    }.joined(separator: ",")
  }
}
