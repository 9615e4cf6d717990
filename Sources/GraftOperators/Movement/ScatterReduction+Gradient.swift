import GraftFiles
import GraftGraph

/// The gradients of scattering with a reduction, for ``ScatterElements`` and ``ScatterND``.
///
/// As in PyTorch (`scatter_reduce` with `include_self`), equal maxima or minima share the gradient.
struct ScatterGradient {
  let reduction: ScatterReduction
  /// The operator, and the gather operator that reads the updated elements.
  let scatterType: String
  let gatherType: String
  let attributes: [ByteString: Attribute]

  func append(to builder: inout GradientBuilder) throws {
    guard builder.needs(0) || builder.needs(2) else { return }
    let gradient = try builder.outputGradient()
    let (data, updates): (ValueID, ValueID)
    switch reduction {
    case .none:
      let zeros = try builder.addZeros(like: builder.input(2))
      data = try scatter(zeros, to: gradient, .none, &builder)
      updates = try gather(gradient, &builder)
    case .add:
      data = gradient
      updates = try gather(gradient, &builder)
    case .max, .min: (data, updates) = try extremes(gradient, &builder)
    case .mul: (data, updates) = try factors(gradient, &builder)
    }
    if builder.needs(0) { builder.setInputGradient(0, data) }
    if builder.needs(2) { builder.setInputGradient(2, updates) }
  }

  /// Elements equal to the result get a share.
  private func extremes(
    _ gradient: ValueID, _ builder: inout GradientBuilder
  ) throws -> (data: ValueID, updates: ValueID) {
    let (data, updates) = (try builder.input(0), try builder.input(2))
    let result = try builder.output(0)
    let isData = isEqual(data, result, &builder)
    let isUpdate = isEqual(updates, try gather(result, &builder), &builder)
    let count = try scatter(isUpdate, to: isData, .add, &builder)
    // Elements that equal nothing (NaN) have no share.
    let share = builder.add("Div", [gradient, count])
    return (
      builder.add("Mul", [share, isData]),
      builder.add("Mul", [try gather(share, &builder), isUpdate])
    )
  }

  /// 1 where the elements are equal, of the type of `left`.
  private func isEqual(
    _ left: ValueID, _ right: ValueID, _ builder: inout GradientBuilder
  ) -> ValueID {
    builder.add("CastLike", [builder.add("Equal", [left, right]), left])
  }

  /// A factor's derivative is the product of the others: the whole product divided by it, with
  /// zeros counted separately.
  private func factors(
    _ gradient: ValueID, _ builder: inout GradientBuilder
  ) throws -> (data: ValueID, updates: ValueID) {
    let (data, updates) = (try builder.input(0), try builder.input(2))
    let zero = try builder.addScalar(0, like: data)
    let one = try builder.addScalar(1, like: data)
    func split(
      _ factor: ValueID, _ builder: inout GradientBuilder
    ) -> (isZero: ValueID, count: ValueID, rest: ValueID) {
      let isZero = builder.add("Equal", [factor, zero])
      return (
        isZero, builder.add("CastLike", [isZero, factor]),
        builder.add("Where", [isZero, one, factor])
      )
    }
    let (ofData, ofUpdates) = (split(data, &builder), split(updates, &builder))
    let zeroCount = try scatter(ofUpdates.count, to: ofData.count, .add, &builder)
    let product = try scatter(ofUpdates.rest, to: ofData.rest, .mul, &builder)
    let scaled = builder.add("Mul", [gradient, product])
    func derivative(
      _ factor: (isZero: ValueID, count: ValueID, rest: ValueID), zeroCount: ValueID,
      scaled: ValueID, _ builder: inout GradientBuilder
    ) -> ValueID {
      let hasOtherZeros = builder.add(
        "Greater", [builder.add("Sub", [zeroCount, factor.count]), zero])
      return builder.add(
        "Where", [hasOtherZeros, zero, builder.add("Div", [scaled, factor.rest])])
    }
    return (
      derivative(ofData, zeroCount: zeroCount, scaled: scaled, &builder),
      derivative(
        ofUpdates, zeroCount: try gather(zeroCount, &builder), scaled: try gather(scaled, &builder),
        &builder)
    )
  }

  private func scatter(
    _ updates: ValueID, to data: ValueID, _ reduction: ScatterReduction,
    _ builder: inout GradientBuilder
  ) throws -> ValueID {
    builder.add(
      scatterType, [data, try builder.input(1), updates],
      attributes: attributes.merging(["reduction": .string(reduction.rawValue)]) { $1 })
  }

  private func gather(_ data: ValueID, _ builder: inout GradientBuilder) throws -> ValueID {
    builder.add(gatherType, [data, try builder.input(1)], attributes: attributes)
  }
}
