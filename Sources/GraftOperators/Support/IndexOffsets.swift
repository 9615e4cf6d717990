import GraftExecution
import GraftFiles
import GraftTensor

/// Converts the indices in an input to positions, and checks them.
///
/// Each offset is that of the position itself along the `bases`, plus each component
/// (`componentsPerPosition` consecutive indices) times its step. Offsets are in bytes.
struct IndexOffsets: Sendable {
  /// The range and the effect of one component's indices.
  struct Component: Sendable {
    /// The axis of the data, for messages.
    let axis: Int
    let extent: Int
    let step: Int
  }

  /// An axis of the positions, and its step in the data.
  struct Base: Sendable {
    let extent: Int
    let step: Int
  }

  let input: Int
  let elementType: ElementType
  let components: [Component]
  let bases: [Base]

  var count: Int { bases.reduce(1) { $0 * $1.extent } }
  var byteCount: Int { count * MemoryLayout<Int>.stride }

  /// Writes the offsets to the start of the scratch memory.
  ///
  /// - Throws: from the kernel, `GraftError` that names the first index out of range and its axis.
  func phase() -> PreparedKernel.Phase {
    .parallel(count: count, grain: 8192) { arguments, range in
      guard let scratch = arguments.scratch else { return }
      let offsets = scratch.assumingMemoryBound(to: Int.self)
      if elementType == .int32 {
        try resolve(arguments.input(input, as: Int32.self), offsets, range)
      } else {
        try resolve(arguments.input(input, as: Int64.self), offsets, range)
      }
    }
  }

  private func resolve<Index: FixedWidthInteger>(
    _ indices: UnsafePointer<Index>, _ offsets: UnsafeMutablePointer<Int>, _ range: Range<Int>
  ) throws {
    try components.withUnsafeBufferPointer { components in
      try bases.withUnsafeBufferPointer { bases in
        for position in range {
          var offset = 0
          var rest = position
          for axis in bases.indices.reversed() {
            if rest == 0 { break }
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: bases[axis].extent)
            offset += remainder * bases[axis].step
            rest = quotient
          }
          for number in components.indices {
            let component = components[number]
            let given = Int(indices[position * components.count + number])
            let index = given < 0 ? given + component.extent : given
            guard index >= 0, index < component.extent else {
              throw GraftError.badData(
                "index \(given) at position \(position) is out of range for axis "
                  + "\(component.axis) of extent \(component.extent)")
            }
            offset += index * component.step
          }
          offsets[position] = offset
        }
      }
    }
  }
}

extension Set<ElementType> {
  /// The types of indices.
  static let indices: Self = [.int32, .int64]
}
