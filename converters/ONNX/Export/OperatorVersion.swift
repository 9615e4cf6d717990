import GraftOperators

/// One version of an operator of ai.onnx, as onnx.defs describes it.
package struct OperatorVersion {
  package struct Formal {
    let types: UInt64
    package let isOptional: Bool
    package let isVariadic: Bool
  }

  package let version: Int
  /// The version takes the operator out of the set.
  package let isRemoval: Bool
  package let attributes: Set<ByteString>
  let requiredAttributes: [String]
  package let inputs: [Formal]
  package let outputs: [Formal]

  /// The versions of an operator, ascending; none if ONNX does not have it.
  package static func history(of operatorType: String) -> [OperatorVersion] {
    table[operatorType] ?? []
  }

  /// The lowest IR version for an opset.
  static func irVersion(opset: Int) -> Int {
    let versions = OperatorVersions.irVersions
    return versions[min(max(opset, 1), versions.count) - 1]
  }

  /// Whether a node can be written at this version, its meaning aside.
  func accepts(_ node: Node, in graph: Graph) -> Bool {
    !isRemoval && node.attributes.keys.allSatisfy(attributes.contains)
      && requiredAttributes.allSatisfy { node.attributes[$0] != nil }
      && accepts(node.attributes, of: node.operatorType)
      && accepts(node.inputs, inputs, in: graph) && accepts(node.outputs, outputs, in: graph)
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

  /// Values of attributes that came later than the attributes.
  private func accepts(_ attributes: [ByteString: Attribute], of operatorType: String) -> Bool {
    Self.lateValues.allSatisfy { late in
      guard late.operatorType == operatorType, version < late.since,
        case .string(let value)? = attributes[late.attribute]
      else { return true }
      return value != late.value
    }
  }

  private struct LateValue {
    let operatorType: String
    let attribute: String
    let value: String
    let since: Int
  }

  private static let lateValues = [
    LateValue(operatorType: "Pad", attribute: "mode", value: "wrap", since: 19),
    LateValue(
      operatorType: "Resize", attribute: "coordinate_transformation_mode",
      value: "half_pixel_symmetric", since: 19),
    LateValue(operatorType: "ScatterElements", attribute: "reduction", value: "max", since: 18),
    LateValue(operatorType: "ScatterElements", attribute: "reduction", value: "min", since: 18),
    LateValue(operatorType: "ScatterND", attribute: "reduction", value: "max", since: 18),
    LateValue(operatorType: "ScatterND", attribute: "reduction", value: "min", since: 18),
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
    attributes = Set(items(1).map { ByteString($0.last == "!" ? $0.dropLast() : $0) })
    requiredAttributes = items(1).filter { $0.last == "!" }.map { String($0.dropLast()) }
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
