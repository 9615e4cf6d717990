import GraftFiles
import GraftGraph
import GraftTensor

/// Reads files with one serialized value, `TensorProto`, `SequenceProto`, `OptionalProto` or
/// `MapProto`, as in ONNX's test data.
///
/// The file does not say which of them it is; the type of the model's input does.
package struct TensorProtoReader {
  package var limits: ImportLimits

  package init(limits: ImportLimits = .standard) { self.limits = limits }

  /// Reads a `TensorProto`. Its elements stay in the mapped file if they are aligned there.
  package func tensor(path: String) throws -> Tensor {
    try withPlace(path) { try tensor(try recognized(try map(path))) }
  }

  /// Reads a value of the kind of `type`.
  package func value(path: String, type: ValueType) throws -> RuntimeValue {
    try withPlace(path) {
      let storage = try map(path)
      // A file with an empty sequence may itself be empty.
      return try value(type.tensor == nil ? storage : recognized(storage), type: type)
    }
  }

  /// Like ``tensor(path:)``, from memory.
  package func tensor(_ storage: Storage) throws -> Tensor {
    let file = try WireScanner.scan(storage, as: .tensor, limits: limits)
    return try decoder(file).tensor(try file.message(limits: limits))
  }

  /// Like ``value(path:type:)``, from memory.
  package func value(_ storage: Storage, type: ValueType) throws -> RuntimeValue {
    switch type {
    case .tensor: return .tensor(try tensor(storage))
    case .sequence:
      let file = try WireScanner.scan(storage, as: .sequence, limits: limits)
      return try decoder(file).sequence(try file.message(limits: limits))
    case .optional(let element):
      guard try OptionalOutline(storage).mayHold(element) else {
        return .optional(try value(storage, type: element))
      }
      let file = try WireScanner.scan(storage, as: .optional, limits: limits)
      return try decoder(file).optional(try file.message(limits: limits))
    case .map:
      let file = try WireScanner.scan(storage, as: .map, limits: limits)
      return .map(try decoder(file).map(try file.message(limits: limits)))
    case .sparseTensor:
      throw GraftError.unsupported("values of type \(type) cannot be read from files")
    }
  }

  private func decoder(_ file: ScannedFile) -> TensorDecoder {
    let budget = ImportBudget(limits: limits)
    budget.add(storedByteCount: file.storage.byteCount)
    return TensorDecoder(file: file, externalData: nil, budget: budget, alignsElements: true)
  }

  /// - Throws: `GraftError` if the file is of another kind
  private func recognized(_ storage: Storage) throws -> Storage {
    if let kind = FileKind.recognize(storage) {
      throw kind.error(
        expected: "a serialized tensor (.pb)", advice: "Write it with onnx.save_tensor")
    }
    return storage
  }

  private func map(_ path: String) throws -> Storage {
    do {
      return try Storage.mappedFile(path: path)
    } catch var error as GraftError {
      error.places = []
      throw error
    }
  }
}

/// The fields of a file that may be an `OptionalProto`, or an element without one around it.
private struct OptionalOutline {
  private var kind = 0
  /// Those but the name and the kind.
  private var others: Set<Int> = []

  init(_ storage: Storage) throws {
    defer { withExtendedLifetime(storage) {} }
    let bytes = UnsafeRawBufferPointer(start: storage.baseAddress, count: storage.byteCount)
    var reader = WireReader(bytes, 0..<storage.byteCount)
    while !reader.isAtEnd {
      let key = try reader.key()
      let value = try reader.value(key.type)
      switch (key.field, key.type) {
      case (1, .lengthDelimited): break
      // The numbers of kinds have one byte.
      case (2, .varint): kind = value.count == 1 ? Int(bytes[value.lowerBound]) : -1
      default: others.insert(key.field)
      }
    }
  }

  /// Whether it is an optional with an element of a type, or with none.
  func mayHold(_ type: ValueType) -> Bool {
    // The field of the element follows from its kind.
    guard others.isSubset(of: [kind + 2]) else { return false }
    switch Onnx_OptionalProto.DataType(rawValue: kind) {
    case .tensor?, .sparseTensor?: return type.tensor != nil
    case .sequence?: return type.sequenceElement != nil
    case .optional?: return type.optionalElement != nil
    case .map?: if case .map = type { return true } else { return false }
    case .undefined?: return others.isEmpty
    case nil: return false
    }
  }
}

extension TensorDecoder {
  func sequence(_ proto: Onnx_SequenceProto) throws -> RuntimeValue {
    switch Onnx_SequenceProto.DataType(rawValue: Int(proto.elemType)) {
    case .tensor?: .sequence(try proto.tensorValues.map { .tensor(try tensor($0)) })
    case .sparseTensor?:
      .sequence(
        try proto.sparseTensorValues.map { .tensor(try denseTensor(try sparseTensor($0))) })
    case .sequence?: .sequence(try proto.sequenceValues.map(sequence))
    case .optional?: .sequence(try proto.optionalValues.map(optional))
    case .undefined?: .sequence([])
    case .map?: .sequence(try proto.mapValues.map { .map(try map($0)) })
    case nil:
      throw GraftError.unsupported("is a sequence of the unknown kind \(proto.elemType)")
    }
  }

  fileprivate func optional(_ proto: Onnx_OptionalProto) throws -> RuntimeValue {
    switch Onnx_OptionalProto.DataType(rawValue: Int(proto.elemType)) {
    case .tensor? where proto.hasTensorValue:
      .optional(.tensor(try tensor(proto.tensorValue)))
    case .sparseTensor? where proto.hasSparseTensorValue:
      .optional(.tensor(try denseTensor(try sparseTensor(proto.sparseTensorValue))))
    case .sequence? where proto.hasSequenceValue: .optional(try sequence(proto.sequenceValue))
    case .optional? where proto.hasOptionalValue: .optional(try optional(proto.optionalValue))
    case .map? where proto.hasMapValue: .optional(.map(try map(proto.mapValue)))
    case .undefined?, .tensor?, .sparseTensor?, .sequence?, .optional?, .map?: .optional(nil)
    case nil:
      throw GraftError.unsupported("is an optional of the unknown kind \(proto.elemType)")
    }
  }
}
