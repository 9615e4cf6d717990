import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The last axis of an index tensor as tuples, each of which selects a slice of some data.
struct IndexTuples {
  let offsets: IndexOffsets
  /// Elements of a slice.
  let rowLength: Int
  let rowBytes: Int

  init(
    _ context: PrepareContext, indices input: Int, data: PrepareContext.Description,
    batchAxes: Int = 0
  ) throws {
    let indices = try context.input(input)
    guard let tupleLength = indices.shape.last, batchAxes + tupleLength <= data.rank else {
      throw GraftError(.software, "index tuples that inference should have refused")
    }
    let steps = data.shape.denseStrides.map { $0 * data.elementType.byteWidth }
    offsets = IndexOffsets(
      input: input, elementType: indices.elementType,
      components: (batchAxes..<batchAxes + tupleLength).map {
        .init(axis: $0, extent: data.shape[$0], step: steps[$0])
      },
      bases: indices.shape.dropLast().enumerated().map { axis, extent in
        .init(extent: extent, step: axis < batchAxes ? steps[axis] : 0)
      })
    rowLength = data.shape[(batchAxes + tupleLength)...].reduce(1, *)
    rowBytes = rowLength * data.elementType.byteWidth
  }

  /// The combined shape of the slices that `indices` select.
  ///
  /// - Throws: `GraftError` if the shapes do not match; `InferenceStop` if the tuples' length is
  ///   unknown
  static func gatheredShape(
    data: [Dimension], indices: [Dimension], batchAxes: Int = 0
  ) throws -> [Dimension] {
    guard batchAxes < min(data.count, indices.count), let last = indices.last else {
      throw GraftError.badData(
        "data of rank \(data.count) and indices of rank \(indices.count) with \(batchAxes) "
          + "batch axes"
      )
    }
    guard let tupleLength = last.known else { throw InferenceStop.unknownShape }
    guard tupleLength >= 1, tupleLength <= data.count - batchAxes else {
      throw GraftError.badData(
        "tuples of \(tupleLength) indices for \(data.count - batchAxes) axes of data")
    }
    for axis in 0..<batchAxes where !data[axis].isCompatible(with: indices[axis]) {
      throw GraftError.badData(
        "batch axis \(axis) has extent \(data[axis]) in data and \(indices[axis]) in indices")
    }
    return indices.dropLast() + data[(batchAxes + tupleLength)...]
  }
}
