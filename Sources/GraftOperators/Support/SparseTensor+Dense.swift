import GraftFiles
import GraftGraph
import GraftTensor

extension SparseTensor {
  /// The tensor with zeros where nothing is stored.
  ///
  /// - Throws: `GraftError` if indices and values do not fit each other or the shape.
  func dense() throws -> Tensor {
    let result = try Tensor(zeros: values.elementType, shape: shape)
    guard values.elementType != .string else {
      throw GraftError.unsupported("sparse tensors of strings are not supported")
    }
    let count = values.elementCount
    let places = try indices.integers()
    let isLinear = indices.rank == 1
    let componentCount = isLinear ? 1 : shape.count
    guard isLinear || indices.shape == [count, shape.count],
      places.count == count * componentCount
    else {
      throw GraftError.badData(
        "indices of shape \(indices.shape) do not fit \(count) values of a tensor of shape \(shape)"
      )
    }
    let extents = isLinear ? [result.elementCount] : shape
    let strides = extents.denseStrides
    let width = values.elementType.byteWidth
    for number in 0..<count {
      var offset = 0
      for axis in extents.indices {
        let index = places[number * componentCount + axis]
        guard index >= 0, index < extents[axis] else {
          throw GraftError.badData(
            "index \(index) of a sparse tensor is out of range for axis \(axis) of extent "
              + "\(extents[axis])")
        }
        offset += index * strides[axis]
      }
      (result.baseAddress + offset * width)
        .copyMemory(from: values.baseAddress + number * width, byteCount: width)
    }
    return result
  }
}
