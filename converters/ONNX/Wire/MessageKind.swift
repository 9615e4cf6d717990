/// The messages between a root and the tensors, and how a scanner treats their fields.
enum MessageKind {
  case model, graph, node, attribute, tensor, sparseTensor, function, sequence, optional, map

  enum FieldTreatment {
    case copy
    case drop
    case descend(MessageKind)
    case rawData
    case elements(TensorPayload.Field)
  }

  /// Field numbers are those of onnx-ml.proto and onnx-data.proto.
  func treatment(ofField field: Int) -> FieldTreatment {
    switch (self, field) {
    case (.model, 7): .descend(.graph)
    // Training information: Graft makes its own training graphs.
    case (.model, 20): .drop
    case (.model, 25): .descend(.function)
    case (.function, 7): .descend(.node)
    case (.function, 11): .descend(.attribute)
    case (.graph, 1): .descend(.node)
    case (.graph, 5): .descend(.tensor)
    case (.graph, 15): .descend(.sparseTensor)
    case (.node, 5): .descend(.attribute)
    case (.attribute, 5), (.attribute, 10): .descend(.tensor)
    case (.attribute, 6), (.attribute, 11): .descend(.graph)
    case (.attribute, 22), (.attribute, 23): .descend(.sparseTensor)
    case (.sparseTensor, 1), (.sparseTensor, 2): .descend(.tensor)
    case (.tensor, 9): .rawData
    case (.tensor, _):
      if let typed = TensorPayload.Field(rawValue: field) { .elements(typed) } else { .copy }
    case (.sequence, 3), (.optional, 3): .descend(.tensor)
    case (.sequence, 4), (.optional, 4): .descend(.sparseTensor)
    case (.sequence, 5), (.optional, 5), (.map, 5): .descend(.sequence)
    case (.sequence, 6), (.optional, 6): .descend(.map)
    case (.sequence, 7), (.optional, 7): .descend(.optional)
    default: .copy
    }
  }

  /// Kinds that cannot be empty. An empty one would only cost memory.
  var mustHaveContents: Bool {
    switch self {
    case .node, .attribute, .tensor, .sparseTensor, .function: true
    default: false
    }
  }
}
