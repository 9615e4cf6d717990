import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension InferenceContext {
  /// - Throws: `GraftError` if an input is known not to have exactly one element.
  func requireOneElement(_ index: Int) throws {
    guard let shape = try input(index).shape?.knownShape else { return }
    guard try shape.checkedElementCount() == 1 else {
      throw GraftError.badData("input \(index) has the shape \(shape); expected a scalar")
    }
  }
}

extension UpgradeContext {
  /// A scalar with the element type of `id`, known or not.
  mutating func addScalar(_ number: Double, like id: ValueID?) throws -> ValueID {
    if let type = type(id)?.elementType {
      return addConstant(try ElementConversion.scalar(number, as: type))
    }
    return addBefore("CastLike", [addConstant(try Tensor(scalar: number)), id])
  }
}

extension GradientBuilder {
  /// A scalar with the element type of `id`, known or not.
  mutating func addScalar(_ number: Double, like id: ValueID) throws -> ValueID {
    if let type = type(of: id)?.elementType {
      return addConstant(try ElementConversion.scalar(number, as: type))
    }
    return add("CastLike", [addConstant(try Tensor(scalar: number)), id])
  }
}
