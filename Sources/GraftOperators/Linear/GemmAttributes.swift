import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attributes of Gemm, shared with its fused form.
package struct GemmAttributes: Sendable {
  package let alpha: Float
  package let beta: Float
  package let isLeftTransposed: Bool
  package let isRightTransposed: Bool

  init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 1)
    beta = try attributes.float("beta", default: 1)
    isLeftTransposed = try attributes.flag("transA")
    isRightTransposed = try attributes.flag("transB")
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .matrixElements)
    try context.requireSameElementType([0, 1, 2])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let left = try matrix(context, 0, isTransposed: isLeftTransposed)
    let right = try matrix(context, 1, isTransposed: isRightTransposed)
    if let depth = left.columns.known, let other = right.rows.known, depth != other {
      throw GraftError.badData("the matrices do not fit: A' has \(depth) columns, B' \(other) rows")
    }
    let shape = [left.rows, right.columns]
    context.setOutput(0, elementType, shape)
    guard context.hasInput(2), let addend = try context.input(2).shape else { return }
    guard addend.count <= 2 else {
      throw GraftError.badData("input 2 has rank \(addend.count); expected at most 2")
    }
    for (extent, target) in zip(addend.reversed(), shape.reversed()) {
      guard let extent = extent.known, let target = target.known else { continue }
      guard extent == 1 || extent == target else {
        throw GraftError.badData("input 2 of shape \(addend) does not broadcast to \(shape)")
      }
    }
  }

  private func matrix(
    _ context: InferenceContext, _ index: Int, isTransposed: Bool
  ) throws -> (rows: Dimension, columns: Dimension) {
    let shape = try context.shape(index)
    guard shape.count == 2 else {
      throw GraftError.badData("input \(index) has rank \(shape.count); expected 2")
    }
    return isTransposed ? (shape[1], shape[0]) : (shape[0], shape[1])
  }

  func prepare(
    _ context: PrepareContext, activation: FusedActivation
  ) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float) {
        try prepare($0, activation: activation)
      }
    }
    if elementType.isInteger, alpha != 1 || beta != 1 || activation != .identity {
      return try context.converting([elementType], to: .double) {
        try prepare($0, activation: activation)
      }
    }
    let output = try context.output(0).shape
    let (rows, columns) = (output[0], output[1])
    let depth = try context.input(0).shape[isLeftTransposed ? 0 : 1]
    var product = MatrixProduct(
      rows: rows, columns: columns, depth: depth,
      left: .dense(input: 0, rows: rows, columns: depth, isTransposed: isLeftTransposed),
      right: .dense(input: 1, rows: depth, columns: columns, isTransposed: isRightTransposed))
    product.alpha = Double(alpha)
    product.beta = Double(beta)
    product.activation = activation
    if context.hasInput(2) {
      product.addend = MatrixProduct.Addend(
        input: 2, shape: try context.input(2).shape, columns: columns)
    }
    return try product.kernel(elementType, context)
  }
}
