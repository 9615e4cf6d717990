import CGraftShims
import GraftTensor

/// What names and types mean in the files that Keras writes.
enum KerasLayout {
  /// Whether a group of the root belongs to the training of the model and not to the model.
  static func isTrainingState(_ name: String) -> Bool { name == "optimizer" }

  /// Groups in the order in which Keras numbered them: `conv2d`, `conv2d_1`, … `conv2d_10`.
  static func sorted(_ groups: [HDF5Tree.Group]) -> [HDF5Tree.Group] {
    groups.sorted { precedes($0.name, $1.name) }
  }

  /// Compares the text, then the number at the end.
  static func precedes(_ left: String, _ right: String) -> Bool {
    let (left, right) = (split(left), split(right))
    return left.text == right.text ? left.number < right.number : left.text < right.text
  }

  private static func split(_ name: String) -> (text: Substring, number: Int) {
    if let number = Int(name) { return ("", number) }
    guard let underscore = name.lastIndex(of: "_"),
      let number = Int(name[name.index(after: underscore)...]), number >= 0
    else { return (name[...], 0) }
    return (name[..<underscore], number)
  }

  static func elementType(_ description: graft_hdf5_dataset) -> ElementType? {
    switch (Int(description.element_kind), description.byte_width) {
    case (GRAFT_HDF5_FLOAT, 2): .float16
    case (GRAFT_HDF5_FLOAT, 4): .float
    case (GRAFT_HDF5_FLOAT, 8): .double
    case (GRAFT_HDF5_SIGNED_INTEGER, 1): .int8
    case (GRAFT_HDF5_SIGNED_INTEGER, 2): .int16
    case (GRAFT_HDF5_SIGNED_INTEGER, 4): .int32
    case (GRAFT_HDF5_SIGNED_INTEGER, 8): .int64
    case (GRAFT_HDF5_UNSIGNED_INTEGER, 1): .uint8
    case (GRAFT_HDF5_UNSIGNED_INTEGER, 2): .uint16
    case (GRAFT_HDF5_UNSIGNED_INTEGER, 4): .uint32
    case (GRAFT_HDF5_UNSIGNED_INTEGER, 8): .uint64
    default: nil
    }
  }

  static func shape(_ description: graft_hdf5_dataset) throws -> Shape {
    try withUnsafeBytes(of: description.extents) { bytes in
      try bytes.bindMemory(to: UInt64.self).prefix(Int(description.rank)).map { extent in
        guard let extent = Int(exactly: extent) else {
          throw GraftError.badData("has an extent of \(extent)")
        }
        return extent
      }
    }
  }
}
