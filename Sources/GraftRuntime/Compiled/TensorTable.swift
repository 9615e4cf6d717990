import GraftTensor

/// The tensors of a compiled model while it is written, without duplicates.
struct TensorTable {
  /// A place in memory, which is unique as long as the table holds the tensors.
  private struct Key: Hashable {
    let storage: ObjectIdentifier
    let byteOffset: Int
    let elementType: ElementType
    let shape: Shape

    init(_ tensor: Tensor) {
      storage = ObjectIdentifier(tensor.storage)
      byteOffset = tensor.byteOffset
      elementType = tensor.elementType
      shape = tensor.shape
    }
  }

  private(set) var tensors: [Tensor] = []
  private var places: [Key: Int] = [:]

  /// The number of a tensor.
  mutating func add(_ tensor: Tensor) -> Int {
    if let place = place(of: tensor) { return place }
    if tensor.elementType != .string { places[Key(tensor)] = tensors.count }
    tensors.append(tensor)
    return tensors.count - 1
  }

  func place(of tensor: Tensor) -> Int? { places[Key(tensor)] }
}
