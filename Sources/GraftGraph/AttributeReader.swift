import GraftFiles
import GraftTensor

/// Reads the attributes of one node, with defaults, and reports invalid ones.
package struct AttributeReader: Sendable {
  package let attributes: [ByteString: Attribute]

  package init(_ attributes: [ByteString: Attribute]) { self.attributes = attributes }

  package func has(_ name: String) -> Bool { attributes[name] != nil }

  package func int(_ name: String) throws -> Int? {
    guard let attribute = attributes[name] else { return nil }
    guard case .int(let value) = attribute else { throw wrongKind(name, attribute, "int") }
    return value
  }

  package func int(_ name: String, default value: Int) throws -> Int { try int(name) ?? value }

  /// An int that ONNX uses as a Boolean.
  package func flag(_ name: String, default value: Bool = false) throws -> Bool {
    try int(name).map { $0 != 0 } ?? value
  }

  package func float(_ name: String) throws -> Float? {
    guard let attribute = attributes[name] else { return nil }
    guard case .float(let value) = attribute else { throw wrongKind(name, attribute, "float") }
    return value
  }

  package func float(_ name: String, default value: Float) throws -> Float {
    try float(name) ?? value
  }

  package func string(_ name: String) throws -> String? {
    guard let attribute = attributes[name] else { return nil }
    guard case .string(let value) = attribute else { throw wrongKind(name, attribute, "string") }
    return value
  }

  package func string(_ name: String, default value: String) throws -> String {
    try string(name) ?? value
  }

  /// A string that must be one of `choices`.
  package func choice(_ name: String, default value: String, of choices: [String]) throws -> String
  {
    let chosen = try string(name) ?? value
    guard choices.contains(chosen) else {
      throw GraftError.badData(
        "attribute '\(name)' is '\(chosen)'; expected one of \(choices.joined(separator: ", "))")
    }
    return chosen
  }

  package func ints(_ name: String) throws -> [Int]? {
    guard let attribute = attributes[name] else { return nil }
    guard case .ints(let value) = attribute else { throw wrongKind(name, attribute, "ints") }
    return value
  }

  package func floats(_ name: String) throws -> [Float]? {
    guard let attribute = attributes[name] else { return nil }
    guard case .floats(let value) = attribute else { throw wrongKind(name, attribute, "floats") }
    return value
  }

  package func strings(_ name: String) throws -> [String]? {
    guard let attribute = attributes[name] else { return nil }
    guard case .strings(let value) = attribute else { throw wrongKind(name, attribute, "strings") }
    return value
  }

  package func tensor(_ name: String) throws -> Tensor? {
    guard let attribute = attributes[name] else { return nil }
    guard case .tensor(let value) = attribute else { throw wrongKind(name, attribute, "tensor") }
    return value
  }

  package func sparseTensor(_ name: String) throws -> SparseTensor? {
    guard let attribute = attributes[name] else { return nil }
    guard case .sparseTensor(let value) = attribute else {
      throw wrongKind(name, attribute, "sparse tensor")
    }
    return value
  }

  package func graph(_ name: String) throws -> Graph? {
    guard let attribute = attributes[name] else { return nil }
    guard case .graph(let value) = attribute else { throw wrongKind(name, attribute, "graph") }
    return value
  }

  /// An element type, stored as the number of `TensorProto.DataType`.
  package func elementType(_ name: String) throws -> ElementType? {
    guard let number = try int(name) else { return nil }
    guard let code = Int32(exactly: number), let type = ElementType(rawValue: code) else {
      throw GraftError.badData("attribute '\(name)' has the unknown element type \(number)")
    }
    return type
  }

  /// The value of a required attribute.
  package func required<Value>(_ name: String, _ value: Value?) throws -> Value {
    guard let value else { throw GraftError.badData("attribute '\(name)' is missing") }
    return value
  }

  private func wrongKind(_ name: String, _ attribute: Attribute, _ expected: String) -> GraftError {
    .badData("attribute '\(name)' is of kind \(attribute.kind); expected \(expected)")
  }
}
