import GraftFiles
import GraftGraph
import GraftTensor

extension TensorDecoder {
  func sparseTensor(_ proto: Onnx_SparseTensorProto) throws -> SparseTensor {
    let shape = proto.dims.map { Int($0) }
    _ = try shape.checkedElementCount()
    let values = try withPlace("values") { try tensor(proto.values) }
    guard proto.hasIndices || values.elementCount == 0 else {
      throw GraftError.badData("has values but no indices")
    }
    let indices =
      proto.hasIndices
      ? try withPlace("indices") { try tensor(proto.indices) } : try Tensor([Int64](), shape: [0])
    return SparseTensor(values: values, indices: indices, shape: shape)
  }

  /// The tensor with its zeros filled in.
  ///
  /// - Throws: `GraftError` if the indices are invalid, or if the result is far larger than its
  ///   data in the file
  func denseTensor(_ sparse: SparseTensor) throws -> Tensor {
    let values = sparse.values
    let elementType = values.elementType
    guard values.rank == 1 else {
      throw GraftError.badData("has values of shape \(values.shape); expected one axis")
    }
    let elementCount = try sparse.shape.checkedElementCount()
    do {
      try budget.reserve(elementType, sparse.shape)
    } catch {
      throw GraftError.badData(
        "stores \(values.elementCount) of \(elementCount) elements; it is too sparse to expand")
    }
    let places = try linearIndices(sparse)
    if elementType == .string {
      var strings = [String](repeating: "", count: elementCount)
      for (place, string) in zip(places, values.strings) { strings[place] = string }
      return try Tensor(strings: strings, shape: sparse.shape)
    }
    let dense = try Tensor(zeros: elementType, shape: sparse.shape)
    let elementWidth = elementType.byteWidth
    values.withUnsafeBytes { source in
      dense.withUnsafeMutableBytes { destination in
        for (index, place) in places.enumerated() {
          for byte in 0..<elementWidth {
            destination[place * elementWidth + byte] = source[index * elementWidth + byte]
          }
        }
      }
    }
    return dense
  }

  /// The position of each stored element in the dense tensor.
  private func linearIndices(_ sparse: SparseTensor) throws -> [Int] {
    let count = sparse.values.elementCount
    let shape = sparse.shape
    let indices = try sparse.indices.integers()
    let elementCount = shape.elementCount
    if sparse.indices.shape == [count] {
      guard let wrong = indices.first(where: { $0 < 0 || $0 >= elementCount }) else {
        return indices
      }
      throw GraftError.badData("has the index \(wrong), outside the shape \(shape)")
    }
    guard sparse.indices.shape == [count, shape.count] else {
      throw GraftError.badData(
        "has indices of shape \(sparse.indices.shape) for \(count) values of rank \(shape.count)")
    }
    let strides = shape.denseStrides
    return try (0..<count).map { row in
      var place = 0
      for axis in shape.indices {
        let index = indices[row * shape.count + axis]
        guard index >= 0, index < shape[axis] else {
          throw GraftError.badData("has the index \(index), outside the shape \(shape)")
        }
        place += index * strides[axis]
      }
      return place
    }
  }
}
