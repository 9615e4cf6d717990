import GraftExecution
import GraftFiles
import GraftTensor

/// Tensors in the scratch memory of a control kernel.
struct ControlScratch {
  /// The place of a tensor.
  struct Place: Sendable {
    let elementType: ElementType
    let shape: Shape
    let offset: Int

    func tensor(_ run: ControlRun) throws -> Tensor {
      try run.scratch(elementType, shape, at: offset)
    }
  }

  private(set) var byteCount = 0

  mutating func add(_ elementType: ElementType, _ shape: Shape) -> Place {
    let place = Place(elementType: elementType, shape: shape, offset: byteCount)
    let size = shape.elementCount * elementType.byteWidth
    // A size beyond the largest arena, which its planner refuses.
    let (sum, overflow) = byteCount.addingReportingOverflow(
      (size + Storage.alignment - 1) & ~(Storage.alignment - 1))
    byteCount = overflow ? .max : sum
    return place
  }

  mutating func add(_ description: PrepareContext.Description) -> Place {
    add(description.elementType, description.shape)
  }
}
