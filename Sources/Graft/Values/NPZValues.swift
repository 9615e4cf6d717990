import GraftData
import GraftFiles
import GraftGraph
import GraftTensor

/// Values in NumPy archives. The elements of a sequence are arrays, and an empty optional is none.
package enum NPZValues {
  /// The value in an archive: the array with the name of the input, or the only one; for a
  /// sequence, the arrays NAME.0, NAME.1 …, or all, in the order of the archive.
  ///
  /// - Throws: `GraftError` if the archive has no such value
  package static func read(path: String, name: String, type: ValueType) throws -> RuntimeValue {
    switch type {
    case .tensor, .sparseTensor:
      .tensor(try array(path, name))
    case .map:
      throw GraftError.unsupported(
        "a map cannot be read from a NumPy archive", hint: "Use a .json file"
      ).at(path)
    case .optional(let element):
      // Of a sequence that is not there, nothing tells whether it is empty.
      try NPZFile.names(path: path).isEmpty
        ? .optional(nil) : .optional(try read(path: path, name: name, type: element))
    case .sequence:
      .sequence(try elements(path, name).map { .tensor($0) })
    }
  }

  private static func array(_ path: String, _ name: String) throws -> Tensor {
    let names = try NPZFile.names(path: path)
    guard
      let array = names.first(where: { ByteString($0) == ByteString(name) })
        ?? (names.count == 1 ? names[0] : nil)
    else {
      throw GraftError(
        .badData, "has no array '\(name)'", places: [path], hint: "It has \(names.listed())")
    }
    return try NPZFile.read(path: path, name: array, allowsStrings: true)
  }

  private static func elements(_ path: String, _ name: String) throws -> [Tensor] {
    let arrays = try NPZFile.read(path: path, allowsStrings: true)
    let places = Dictionary(
      arrays.enumerated().map { (ByteString($1.name), $0) }, uniquingKeysWith: { first, _ in first }
    )
    var own: [Tensor] = []
    while let place = places[ByteString("\(name).\(own.count)")] {
      own.append(arrays[place].tensor)
    }
    return own.isEmpty ? arrays.map(\.tensor) : own
  }

  /// Writes the values.
  ///
  /// - Throws: `GraftError` for sequences of sequences, and as `NPZFile.write`
  package static func write(_ values: [(name: String, value: RuntimeValue)], path: String) throws {
    var arrays: [(name: String, tensor: Tensor)] = []
    func add(_ name: String, _ value: RuntimeValue, isElement: Bool) throws {
      switch value {
      case .tensor(let tensor): arrays.append((name, tensor))
      case .optional(let element): if let element { try add(name, element, isElement: isElement) }
      case .map:
        throw GraftError.unsupported(
          "a map does not fit into a NumPy archive", hint: "Use a .json file")
      case .sequence(let elements):
        guard !isElement else {
          throw GraftError.unsupported(
            "a sequence of sequences does not fit into a NumPy archive", hint: "Use a .json file")
        }
        for (number, element) in elements.enumerated() {
          try add("\(name).\(number)", element, isElement: true)
        }
      }
    }
    for (name, value) in values {
      try withPlace("output '\(name)'") { try add(name, value, isElement: false) }
    }
    try NPZFile.write(arrays, path: path)
  }
}
