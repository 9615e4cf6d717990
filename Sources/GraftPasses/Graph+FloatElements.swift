extension Graph {
  /// The same graph with float where it has float16 or bfloat16: for training, which half precision is too coarse for.
  ///
  /// - Throws: `GraftError` if a tensor cannot be converted, or the types do not fit together then.
  package func withFloatElements() throws -> Graph {
    var graph = self
    let uses =
      graph.constants.values.contains { $0.elementType.isHalfPrecision }
      || graph.inputs.contains { graph[$0].type?.tensor?.elementType.isHalfPrecision ?? false }
    guard uses else { return self }
    for (id, tensor) in graph.constants where tensor.elementType.isHalfPrecision {
      graph.constants[id] = try tensor.converted(to: .float)
    }
    for index in graph.nodes.indices {
      try graph.nodes[index].replaceHalfPrecision()
    }
    let declared = Set(graph.inputs)
    for index in graph.values.indices {
      guard var type = graph.values[index].type?.tensor, type.elementType.isHalfPrecision else {
        continue
      }
      if declared.contains(ValueID(index)) || graph.constants[ValueID(index)] != nil {
        type.elementType = .float
        graph.values[index].type = .tensor(type)
      } else {
        graph.values[index].type = nil
      }
    }
    try graph.inferTypes()
    return graph
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
}

extension Node {
  /// Casts to half precision, and constants among the attributes.
  fileprivate mutating func replaceHalfPrecision() throws {
    for (name, attribute) in attributes {
      switch attribute {
      case .tensor(let tensor) where tensor.elementType.isHalfPrecision:
        attributes[name] = .tensor(try tensor.converted(to: .float))
      case .int(let code) where name == "to" || name == "dtype":
        if let type = ElementType(rawValue: Int32(clamping: code)), type.isHalfPrecision {
          attributes[name] = .int(Int(ElementType.float.rawValue))
        }
      default: break
      }
    }
  }
}
