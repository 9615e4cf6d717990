import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// One version of an operator, from onnx.defs.
package struct OperatorVersion {
  package struct Formal {
    let types: UInt64
    package let isOptional: Bool
    package let isVariadic: Bool
  }

  package let version: Int
  /// Whether this version removes the operator.
  package let isRemoval: Bool
  package let attributes: Set<ByteString>
  let requiredAttributes: [String]
  /// The default values of attributes, in the table's notation.
  private let defaults: [ByteString: String]
  package let inputs: [Formal]
  package let outputs: [Formal]

  /// The versions of an operator, ascending; none if ONNX does not have it.
  ///
  /// - Parameter qualifiedType: with its domain, as in `ai.onnx.ml.Scaler`
  package static func history(of qualifiedType: String) -> [OperatorVersion] {
    table[qualifiedType] ?? []
  }

  /// The newest version of a domain; `nil` for domains that are not ONNX's.
  static func newest(ofDomain domain: ByteString) -> Int? {
    OperatorVersions.irVersions[domain.text]?.count
  }

  /// The lowest IR version for a version of a domain.
  static func irVersion(_ domain: ByteString, _ version: Int) -> Int {
    guard let versions = OperatorVersions.irVersions[domain.text] else { return 3 }
    return versions[min(max(version, 1), versions.count) - 1]
  }

  /// Whether this version can express a node, apart from its semantics.
  func accepts(_ node: Node, in graph: Graph) -> Bool {
    !isRemoval && node.attributes.keys.allSatisfy(attributes.contains)
      && requiredAttributes.allSatisfy { node.attributes[$0] != nil }
      && accepts(node.attributes, of: node.operatorType)
      && accepts(node.inputs, inputs, in: graph) && accepts(node.outputs, outputs, in: graph)
  }

  /// Whether an attribute has its default value.
  func isDefault(_ name: ByteString, _ attribute: Attribute) -> Bool {
    guard let text = defaults[name] else { return false }
    switch attribute {
    case .int(let value): return Int(text) == value
    case .float(let value): return Float(text) == value
    case .string(let value): return text == value
    default: return false
    }
  }

  private func accepts(_ values: [ValueID?], _ formals: [Formal], in graph: Graph) -> Bool {
    for (index, value) in values.enumerated() {
      guard let formal = index < formals.count ? formals[index] : formals.last,
        index < formals.count || formal.isVariadic
      else { return false }
      guard let value else {
        if formal.isOptional { continue }
        return false
      }
      if let bit = graph[value].type?.typeSetBit, formal.types & (1 << bit) == 0 { return false }
    }
    return formals.dropFirst(values.count).allSatisfy { $0.isOptional || $0.isVariadic }
  }

  /// Checks attribute values that were added or removed in other versions than the attribute
  /// itself.
  private func accepts(_ attributes: [ByteString: Attribute], of operatorType: String) -> Bool {
    Self.limitedValues.allSatisfy { limited in
      guard limited.operatorType == operatorType, !limited.versions.contains(version),
        case .string(let value)? = attributes[limited.attribute]
      else { return true }
      return value != limited.value
    }
  }

  private struct LimitedValue {
    let operatorType: String
    let attribute: String
    let value: String
    let versions: Range<Int>

    init(_ operatorType: String, _ attribute: String, _ value: String, _ versions: Range<Int>) {
      self.operatorType = operatorType
      self.attribute = attribute
      self.value = value
      self.versions = versions
    }
  }

  private static let limitedValues = [
    LimitedValue(Pad.schema.name, "mode", "wrap", 19..<Int.max),
    LimitedValue(
      Resize.schema.name, "coordinate_transformation_mode", "half_pixel_symmetric", 19..<Int.max),
    LimitedValue(
      Resize.schema.name, "coordinate_transformation_mode", "tf_half_pixel_for_nn", 11..<13),
    LimitedValue(ScatterElements.schema.name, "reduction", "max", 18..<Int.max),
    LimitedValue(ScatterElements.schema.name, "reduction", "min", 18..<Int.max),
    LimitedValue(ScatterND.schema.name, "reduction", "max", 18..<Int.max),
    LimitedValue(ScatterND.schema.name, "reduction", "min", 18..<Int.max),
  ]
}

extension ValueType {
  /// The bit of this type in ``OperatorVersions/typeSets``.
  fileprivate var typeSetBit: UInt64 {
    switch self {
    case .tensor(let type): UInt64(type.elementType.rawValue)
    case .sequence: 40
    case .optional: 41
    case .sparseTensor: 42
    case .map: 43
    }
  }
}

extension OperatorVersion {
  private static let table: [String: [OperatorVersion]] = {
    var table: [String: [OperatorVersion]] = [:]
    for line in OperatorVersions.table.split(separator: "\n") {
      let fields = line.split(separator: "|", omittingEmptySubsequences: false)
      let name = fields[0].prefix { $0 != "@" }
      table[String(name), default: []].append(
        OperatorVersion(version: Int(fields[0].dropFirst(name.count + 1)) ?? 1, fields))
    }
    return table
  }()

  private init(version: Int, _ fields: [Substring]) {
    func items(_ index: Int) -> [Substring] {
      index < fields.count ? fields[index].split(separator: ",") : []
    }
    self.version = version
    isRemoval = fields.count == 1
    var defaults: [ByteString: String] = [:]
    var required: [String] = []
    attributes = Set(
      items(1).map { item in
        let name = String(item.prefix { $0 != "=" && $0 != "!" })
        if item.last == "!" { required.append(name) }
        if let sign = item.firstIndex(of: "=") {
          defaults[ByteString(name)] = String(item[item.index(after: sign)...])
        }
        return ByteString(name)
      })
    requiredAttributes = required
    self.defaults = defaults
    inputs = items(2).map(Formal.init)
    outputs = items(3).map(Formal.init)
  }
}

extension OperatorVersion.Formal {
  fileprivate init(_ text: Substring) {
    isOptional = text.last == "?"
    isVariadic = text.last == "*"
    let set = Int(isOptional || isVariadic ? text.dropLast() : text) ?? 0
    types = OperatorVersions.typeSets[set]
  }
}
