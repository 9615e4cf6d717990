import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension Graph {
  /// The same graph with float instead of float16 or bfloat16, for training, which needs more
  /// precision.
  ///
  /// - Throws: `GraftError` if a tensor cannot be converted, or the types then do not match
  package func withFloatElements() throws -> Graph {
    let uses =
      constants.values.contains { $0.elementType.isHalfPrecision }
      || inputs.contains { self[$0].type?.tensor?.elementType.isHalfPrecision ?? false }
    guard uses else { return self }
    var graph = self
    try graph.replaceElements(by: .float) { $0.isHalfPrecision }
    try graph.inferTypes()
    return graph
  }

  /// The same graph with float inputs instead of others, such as image samples in uint8; a Cast
  /// follows them.
  ///
  /// - Throws: `GraftError` if the types then do not match
  package func withFloatInputs() throws -> Graph {
    var graph = self
    for value in inputs {
      guard let type = elementType(value), type != .float else { continue }
      let outer = graph.addOuterValue(for: value, inner: type)
      graph.inputs = graph.inputs.map { $0 == value ? outer : $0 }
      graph.nodes.insert(.cast(outer, to: value, type), at: 0)
    }
    try graph.inferTypes()
    return graph
  }

  /// The same graph computed in float16, including weights; float inputs and outputs stay float.
  ///
  /// - Throws: `GraftError` if a weight is too large for float16, or an operator does not support
  ///   it
  package func withHalfPrecision() throws -> Graph {
    var graph = self
    try graph.inferTypes()
    let floatInputs = inputs.filter { graph.elementType($0) == .float }
    let floatOutputs = outputs.filter { graph.elementType($0) == .float }
    // The operator defines its scales and regions as float.
    let scales = graph.nodes.lazy.filter { $0.is(Resize.self) }
      .flatMap { $0.inputs.dropFirst(2).compactMap { $0 } }
    try graph.replaceElements(by: .float16, except: Set(scales)) { $0 == .float }
    for value in floatInputs {
      let outer = graph.addOuterValue(for: value, inner: .float16)
      graph.inputs = graph.inputs.map { $0 == value ? outer : $0 }
      graph.nodes.insert(.cast(outer, to: value, .float16), at: 0)
    }
    for value in floatOutputs where !floatInputs.contains(value) {
      let outer = graph.addOuterValue(for: value, inner: .float16)
      graph.outputs = graph.outputs.map { $0 == value ? outer : $0 }
      graph.nodes.append(.cast(value, to: outer, .float))
    }
    try graph.inferTypes()
    return graph
  }

  /// A float value with the name and shape of one that gets another type and another name, and with
  /// the same uses.
  private mutating func addOuterValue(for value: ValueID, inner: ElementType) -> ValueID {
    var type = self[value].type?.tensor
    type?.elementType = .float
    let outer = addValue(name: self[value].name, type: type.map { .tensor($0) })
    self[outer].documentation = self[value].documentation
    self[outer].metadata = self[value].metadata
    self[value].name += "/\(inner)"
    self[value].documentation = ""
    self[value].metadata = [:]
    return outer
  }

  /// Converts constants, declared inputs, and types in nodes' attributes. Other types must then be
  /// inferred again.
  fileprivate mutating func replaceElements(
    by type: ElementType, except kept: Set<ValueID> = [], where matches: (ElementType) -> Bool
  ) throws {
    for (id, tensor) in constants where matches(tensor.elementType) && !kept.contains(id) {
      constants[id] = try withPlace(self[id].name) { try tensor.replaced(by: type) }
    }
    for index in nodes.indices {
      try withPlace(label(nodes[index])) {
        try nodes[index].replaceElements(by: type, where: matches)
      }
    }
    let declared = Set(inputs)
    for index in values.indices {
      let id = ValueID(index)
      guard var old = self[id].type?.tensor, matches(old.elementType), !kept.contains(id) else {
        continue
      }
      old.elementType = type
      self[id].type = declared.contains(id) || constants[id] != nil ? .tensor(old) : nil
    }
  }
}

extension ElementType {
  fileprivate var isHalfPrecision: Bool { self == .float16 || self == .bfloat16 }
}

extension Tensor {
  /// The elements converted to another type.
  package func converted(to type: ElementType) throws -> Tensor {
    let source = isAligned ? self : try copied()
    let result = try Tensor(zeros: type, shape: shape)
    try ElementConversion.convert(
      source.baseAddress, elementType, to: result.baseAddress, type, count: elementCount)
    return result
  }

  /// The same, but finite numbers must stay finite.
  fileprivate func replaced(by type: ElementType) throws -> Tensor {
    let result = try converted(to: type)
    guard type == .float16, elementType == .float else { return result }
    try withUnsafeBytes { old in
      try result.withUnsafeBytes { new in
        for index in 0..<elementCount {
          let bits = new.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
          guard bits & 0x7c00 == 0x7c00 else { continue }
          let number = old.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
          guard number.isFinite else { continue }
          throw GraftError.unsupported(
            "\(number) is too large for float16, whose maximum is 65504", hint: "Keep float32")
        }
      }
    }
    return result
  }
}

extension Node {
  /// A node that converts `input` to `output`.
  fileprivate static func cast(
    _ input: ValueID, to output: ValueID, _ type: ElementType
  ) -> Node {
    Node(
      operatorType: "Cast", inputs: [input], outputs: [output],
      attributes: ["to": .int(Int(type.rawValue))])
  }

  /// Converts the target types of casts and similar operators, and constants among the attributes.
  fileprivate mutating func replaceElements(
    by type: ElementType, where matches: (ElementType) -> Bool
  ) throws {
    for (name, attribute) in attributes {
      switch attribute {
      case .tensor(let tensor) where matches(tensor.elementType):
        attributes[name] = .tensor(try tensor.replaced(by: type))
      case .graph(var body):
        // The operator defines its scales and regions as float.
        let scales = body.nodes.filter { $0.is(Resize.self) }.flatMap { $0.inputs.dropFirst(2) }
        try withPlace("graph '\(body.name)'") {
          try body.replaceElements(by: type, except: Set(scales.compactMap { $0 }), where: matches)
        }
        attributes[name] = .graph(body)
      case .int(let code) where name == "to" || name == "dtype":
        if let old = ElementType(rawValue: Int32(clamping: code)), matches(old) {
          attributes[name] = .int(Int(type.rawValue))
        }
      default: break
      }
    }
  }
}
