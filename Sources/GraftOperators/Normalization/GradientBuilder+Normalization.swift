import GraftFiles
import GraftGraph
import GraftTensor

extension GradientBuilder {
  /// A 1-D constant of axes or extents.
  mutating func addAxes(_ axes: [Int]) throws -> ValueID {
    addConstant(try Tensor(axes.map(Int64.init), shape: [axes.count]))
  }

  /// - Throws: `GraftError` if the rank is unknown
  func rank(of value: ValueID) throws -> Int {
    guard let shape = type(of: value)?.shape else {
      throw GraftError.unsupported("the gradient needs to know the rank of '\(graph[value].name)'")
    }
    return shape.count
  }

  /// A vector of one element per channel, shaped to broadcast over `[N, C, D1, …]`.
  mutating func alongChannels(_ vector: ValueID, rank: Int) throws -> ValueID {
    guard rank > 2 else { return vector }
    let shape = try addAxes([-1] + [Int](repeating: 1, count: rank - 2))
    return add("Reshape", [vector, shape])
  }

  /// The sum over all axes except the channels.
  mutating func sumPerChannel(_ value: ValueID, rank: Int) throws -> ValueID {
    let axes = try addAxes((0..<rank).filter { $0 != 1 })
    // Without an axis of channels, there is one channel.
    return add(
      "ReduceSum", [value, axes], attributes: ["keepdims": .int(rank == 1 ? 1 : 0)])
  }

  /// The mean over axes, which stay with extent 1. Without axes, each element is its own mean.
  mutating func mean(_ value: ValueID, over axes: ValueID) -> ValueID {
    add("ReduceMean", [value, axes], attributes: ["noop_with_empty_axes": .int(1)])
  }

  /// `x` normalized over `axes`, and the factor.
  struct Normalization {
    /// (x - mean) / deviation
    var normal: ValueID
    /// 1 / deviation
    var inverseDeviation: ValueID
  }

  /// Appends the nodes that normalize `x` to mean 0 (if centered) and variance 1 over `axes`.
  mutating func normalization(
    of x: ValueID, over axes: ValueID, epsilon: Double, isCentered: Bool = true
  ) throws -> Normalization {
    let centered = isCentered ? add("Sub", [x, mean(x, over: axes)]) : x
    let variance = mean(add("Mul", [centered, centered]), over: axes)
    let deviation = add("Sqrt", [add("Add", [variance, try addScalar(epsilon, like: x)])])
    let inverse = add("Reciprocal", [deviation])
    return Normalization(normal: add("Mul", [centered, inverse]), inverseDeviation: inverse)
  }

  /// The gradient through a normalization: (g - mean(g) - n · mean(g n)) / deviation, where g is
  /// the gradient of the normalized values. `mean(g)` only occurs in centered normalizations.
  mutating func gradient(
    through normalization: Normalization, of gradient: ValueID, over axes: ValueID,
    isCentered: Bool = true
  ) -> ValueID {
    let product = add("Mul", [gradient, normalization.normal])
    let along = add("Mul", [normalization.normal, mean(product, over: axes)])
    var rest = add("Sub", [gradient, along])
    if isCentered { rest = add("Sub", [rest, mean(gradient, over: axes)]) }
    return add("Mul", [rest, normalization.inverseDeviation])
  }

  /// Sets the gradients of a normalization of input 0 over the axes from `axis` on, with scales in
  /// input 1 and shifts in input 2.
  mutating func setRowNormalizationGradients(
    axis: Int, epsilon: Double, isCentered: Bool
  ) throws {
    let gradient = try outputGradient()
    let x = try input(0)
    let rank = try rank(of: x)
    let axes = try addAxes(Array(try normalizedAxis(axis, rank: rank)..<rank))
    let normalization = try normalization(
      of: x, over: axes, epsilon: epsilon, isCentered: isCentered)
    if needs(0) {
      let scaled = add("Mul", [gradient, try input(1)])
      setInputGradient(
        0,
        self.gradient(
          through: normalization, of: scaled, over: axes, isCentered: isCentered))
    }
    if needs(1) {
      try setBroadcastInputGradient(1, add("Mul", [gradient, normalization.normal]))
    }
    if needs(2) { try setBroadcastInputGradient(2, gradient) }
  }
}
