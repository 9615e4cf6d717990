import GraftGraph
import GraftTensor

/// An attribute for display: numbers and strings with their values, tensors and types as a
/// description. Graphs are in ``GraphOutline/Node/bodies``.
package enum AttributeOutline: Sendable, Equatable {
  case int(Int)
  case float(Float)
  case string(String)
  case ints([Int])
  case floats([Float])
  case strings([String])
  /// Such as `float[3, 4]`.
  case type(String)
  case types([String])

  /// - Returns: `nil` for graphs.
  /// - Throws: `GraftError` if the attribute is invalid
  init?(_ proto: Onnx_AttributeProto) throws {
    func text(_ tensor: Onnx_TensorProto) -> String {
      let type = ElementType(rawValue: tensor.dataType)?.description ?? "unknown"
      return "\(type)[\(tensor.dims.map(String.init).joined(separator: ", "))]"
    }
    func text(_ type: Onnx_TypeProto) throws -> String {
      try ValueType(type)?.description ?? "unknown"
    }
    switch proto.effectiveType {
    case .int: self = .int(Int(proto.i))
    case .float: self = .float(proto.f)
    case .string: self = .init(string: proto.s)
    case .ints: self = .ints(proto.ints.map { Int($0) })
    case .floats: self = .floats(proto.floats)
    case .strings: self = .strings(proto.strings.map { AttributeOutline(string: $0).text })
    case .tensor: self = .type(text(proto.t))
    case .tensors: self = .types(proto.tensors.map(text))
    case .sparseTensor: self = .type("sparse " + text(proto.sparseTensor.values))
    case .sparseTensors: self = .types(proto.sparseTensors.map { "sparse " + text($0.values) })
    case .typeProto: self = .type(try text(proto.tp))
    case .typeProtos: self = .types(try proto.typeProtos.map(text))
    case .graph, .graphs, .undefined: return nil
    }
  }

  /// Strings can be long texts or compiled engines; a longer one is shown by its size.
  private static let longestString = 1000

  private init(string bytes: some Collection<UInt8>) {
    self =
      bytes.count <= AttributeOutline.longestString
      ? .string(String(decoding: bytes, as: UTF8.self)) : .type("string of \(bytes.count) bytes")
  }

  private var text: String {
    switch self {
    case .string(let text), .type(let text): text
    default: description
    }
  }

  /// - Returns: `nil` for graphs.
  init?(_ attribute: Attribute) {
    func text(_ tensor: Tensor) -> String {
      "\(tensor.elementType)[\(tensor.shape.map(String.init).joined(separator: ", "))]"
    }
    switch attribute {
    case .int(let value): self = .int(value)
    case .float(let value): self = .float(value)
    case .string(let value): self = .init(string: value.utf8)
    case .ints(let values): self = .ints(values)
    case .floats(let values): self = .floats(values)
    case .strings(let values):
      self = .strings(values.map { AttributeOutline(string: $0.utf8).text })
    case .tensor(let tensor): self = .type(text(tensor))
    case .tensors(let tensors): self = .types(tensors.map(text))
    case .sparseTensor(let tensor): self = .type("sparse " + text(tensor.values))
    case .sparseTensors(let tensors): self = .types(tensors.map { "sparse " + text($0.values) })
    case .type(let type): self = .type(type.description)
    case .types(let types): self = .types(types.map(\.description))
    case .graph, .graphs: return nil
    }
  }
}

extension AttributeOutline: Encodable {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .int(let value): try container.encode(value)
    case .float(let value): try container.encode(value)
    case .string(let value), .type(let value): try container.encode(value)
    case .ints(let values): try container.encode(values)
    case .floats(let values): try container.encode(values)
    case .strings(let values), .types(let values): try container.encode(values)
    }
  }
}

extension AttributeOutline: CustomStringConvertible {
  /// On one line; long lists are shortened.
  package var description: String {
    switch self {
    case .int(let value): "\(value)"
    case .float(let value): "\(value)"
    case .string(let value): "\"\(value)\""
    case .ints(let values): AttributeOutline.list(values)
    case .floats(let values): AttributeOutline.list(values)
    case .strings(let values): AttributeOutline.list(values.map { "\"\($0)\"" })
    case .type(let value): value
    case .types(let values): AttributeOutline.list(values)
    }
  }

  private static func list(_ values: some Collection<some CustomStringConvertible>) -> String {
    let shown = 12
    let more = values.count > shown ? ", … \(values.count) in all" : ""
    return "[" + values.prefix(shown).map(\.description).joined(separator: ", ") + more + "]"
  }
}
