import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A limit on gradients, as nodes before the optimizer.
///
/// Source: `clipvalue`, `clipnorm` and `global_clipnorm` of <https://keras.io/api/optimizers/>
package enum GradientClipping: Sendable, Hashable {
  /// Clips each element to -limit … limit.
  case value(Float)
  /// Scales each parameter's gradient down to the limit if its Euclidean norm exceeds it.
  case norm(Float)
  /// Scales all gradients down by one factor if their joint Euclidean norm exceeds the limit. If
  /// the norm is not finite, all gradients become NaN.
  case globalNorm(Float)

  private var limit: Float {
    switch self {
    case .value(let limit), .norm(let limit), .globalNorm(let limit): limit
    }
  }

  private static let known = NamedCalls(
    "gradient clipping", ["value": ["LIMIT"], "norm": ["LIMIT"], "global_norm": ["LIMIT"]])

  /// Reads the notation of recipes: `value(0.5)`, `norm(1)`, `global_norm(1)`.
  ///
  /// - Throws: `GraftError` for another name, or a limit that is not above 0
  package static func named(_ text: String) throws -> GradientClipping {
    let call = try known.call(text)
    let example = "such as \(call.name)(1)"
    guard call.arguments.count == 1, call.arguments[0].key == nil else {
      throw GraftError.usage("'\(call.name)' requires one limit", hint: "Use a number, \(example)")
    }
    let form = RecipeForm<Float>(
      description: "a number above 0 and below 3.4e38, \(example)",
      accepts: { $0 > 0 && $0.isFinite })
    let limit = try form.value(of: call.arguments[0].value, "'\(call.name)'")
    return switch call.name {
    case "value": .value(limit)
    case "norm": .norm(limit)
    default: .globalNorm(limit)
    }
  }

  /// Appends the nodes.
  ///
  /// - Parameter gradients: of all parameters, with inferred types
  /// - Returns: the clipped gradients, in the same order
  /// - Throws: `GraftError` if the limit is not above 0
  package func append(to graph: inout Graph, gradients: [ValueID]) throws -> [ValueID] {
    guard limit > 0, limit.isFinite else {
      throw GraftError.usage(
        "gradients cannot be clipped to \(limit)", hint: "Use a limit above 0")
    }
    switch self {
    case .value(let limit):
      return try gradients.map { gradient in
        let type = try graph.elementType(ofGradient: gradient)
        let low = graph.addConstant(try ElementConversion.scalar(-Double(limit), as: type))
        let high = graph.addConstant(try ElementConversion.scalar(Double(limit), as: type))
        return graph.addNode("Clip", [gradient, low, high])
      }
    case .norm(let limit):
      return try gradients.map { gradient in
        let square = try graph.addSumOfSquares(gradient)
        let factor = try graph.addClippingFactor(sumOfSquares: square, limit: limit)
        return try graph.addScaled(gradient, by: factor)
      }
    case .globalNorm(let limit):
      guard !gradients.isEmpty else { return [] }
      let squares = try gradients.map { try graph.addSumOfSquares($0) }
      let square = graph.addNode("Sum", squares)
      let factor = try graph.addClippingFactor(sumOfSquares: square, limit: limit)
      // Zero for finite norms, NaN for others.
      let nothing = graph.addNode("Sub", [square, square])
      let checked = graph.addNode("Add", [factor, nothing])
      return try gradients.map { try graph.addScaled($0, by: checked) }
    }
  }
}

extension Graph {
  fileprivate func elementType(ofGradient id: ValueID) throws -> ElementType {
    guard let type = self[id].type?.tensor?.elementType else {
      throw GraftError(.software, "the type of '\(self[id].name)' was not inferred")
    }
    return type
  }

  /// A double scalar, since squares could overflow in half precision.
  fileprivate mutating func addSumOfSquares(_ gradient: ValueID) throws -> ValueID {
    let type = try elementType(ofGradient: gradient)
    let isHalf = type == .float16 || type == .bfloat16
    let wide = isHalf ? addCast(gradient, to: .float) : gradient
    let sum = addNode("ReduceSumSquare", [wide], attributes: ["keepdims": .int(0)])
    return type == .double ? sum : addCast(sum, to: .double)
  }

  /// limit / max(√square, limit), in double.
  fileprivate mutating func addClippingFactor(
    sumOfSquares: ValueID, limit: Float
  ) throws -> ValueID {
    let bound = addConstant(try Tensor(scalar: Double(limit)))
    let norm = addNode("Sqrt", [sumOfSquares])
    let largest = addNode("Max", [norm, bound])
    return addNode("Div", [bound, largest])
  }

  fileprivate mutating func addScaled(_ gradient: ValueID, by factor: ValueID) throws -> ValueID {
    let type = try elementType(ofGradient: gradient)
    let cast = type == .double ? factor : addCast(factor, to: type)
    return addNode("Mul", [gradient, cast])
  }

  private mutating func addCast(_ id: ValueID, to type: ElementType) -> ValueID {
    addNode("Cast", [id], attributes: ["to": .int(Int(type.rawValue))])
  }
}
