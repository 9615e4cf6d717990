import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Scales and shifts that broadcast to the input, for normalizations over its last axes.
enum BroadcastParameters {
  /// Whether a tensor of this shape has one element for each element of a row, common to all rows.
  static func isShared(_ shape: Shape, input: Shape, axis: Int) -> Bool {
    shape.drop { $0 == 1 }.count <= input.count - axis
      && Array(shape.suffix(input.count - axis)) == Array(input[axis...])
  }

  /// A phase that repeats `count` elements of input `index` over `target`, into scratch memory at
  /// `offset`.
  static func expansion<Element: RealElement>(
    _ index: Int, from shape: Shape, to target: Shape, offset: Int, _: Element.Type
  ) -> PreparedKernel.Phase {
    var strides = [Int](repeating: 0, count: target.count)
    let dense = shape.denseStrides
    for axis in shape.indices where shape[axis] != 1 {
      strides[target.count - shape.count + axis] = dense[axis]
    }
    let targetStrides = target.denseStrides
    return .parallel(count: target.elementCount, grain: 16384) { [strides] arguments, range in
      guard let scratch = arguments.scratch else { return }
      let source = arguments.input(index, as: Element.self)
      let expanded = (scratch + offset).assumingMemoryBound(to: Element.self)
      for place in range {
        var rest = place
        var sourcePlace = 0
        for axis in strides.indices {
          sourcePlace += rest / targetStrides[axis] * strides[axis]
          rest %= targetStrides[axis]
        }
        expanded[place] = source[sourcePlace]
      }
    }
  }
}

extension InferenceContext {
  /// - Throws: `GraftError` if input `index` does not broadcast to the shape of input 0.
  func requireBroadcastsToInput(_ index: Int) throws {
    guard hasInput(index), let shape = try input(index).shape, let target = try input(0).shape
    else { return }
    let result = try broadcast([shape, target])
    let agrees =
      result.count == target.count
      && zip(result, target).allSatisfy { found, wanted in
        guard let found = found.known, let wanted = wanted.known else { return true }
        return found == wanted
      }
    guard agrees else {
      throw GraftError.badData("input \(index) of shape \(shape) does not broadcast to \(target)")
    }
  }
}
