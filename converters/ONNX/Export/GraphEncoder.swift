import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// Writes native graphs as `GraphProto`.
struct GraphEncoder {
  var placement: WeightPlacement
  private var usedNames: Set<ByteString> = []

  init(placement: WeightPlacement) { self.placement = placement }

  /// - Parameter outer: the names of the enclosing graph; `nil` for the model's own graph
  mutating func message(_ graph: Graph, outer: ExportNames?) throws -> SegmentedMessage {
    let names = ExportNames(graph, outer: outer, used: &usedNames)
    // Sibling graphs may use the same names.
    defer { if outer != nil { usedNames.subtract(names.own(graph)) } }
    let constantOutputs = graph.constantOutputs
    let (outputs, copies) = outputs(of: graph, names, isBody: outer != nil)

    var header = Onnx_GraphProto()
    header.name = graph.name.isEmpty ? "graph" : graph.name
    if !graph.documentation.isEmpty { header.docString = graph.documentation }
    header.metadataProps = entries(
      outer == nil ? graph.provenance.graphMetadata : graph.metadata)
    header.input = (graph.inputs + graph.defaultedInputs).map { info(graph[$0], names[$0]) }
    header.output = outputs
    header.valueInfo = valueInfo(graph, names)
    header.quantizationAnnotation = annotations(graph, names)

    var message = SegmentedMessage()
    for id in constantOutputs {
      guard let tensor = graph.constants[id] else { continue }
      message.append(field: 1, try constantNode(tensor, names[id]))
    }
    for node in graph.nodes {
      try withPlace(graph.label(node)) { message.append(field: 1, try self.node(node, names)) }
    }
    for copy in copies { message.append(field: 1, try SegmentedMessage(copy)) }
    try message.append(fieldsOf: header)
    let tensors = graph.constants.merging(graph.parameters) { constant, _ in constant }
    for (id, tensor) in tensors.sorted(by: { $0.key < $1.key }) where !constantOutputs.contains(id)
    {
      message.append(
        field: 5,
        try placement.initializer(
          tensor, name: names[id], documentation: graph[id].documentation,
          metadata: graph[id].plainMetadata))
    }
    return message
  }

  // MARK: Values

  private func info(_ value: Value, _ name: String) -> Onnx_ValueInfoProto {
    var proto = Onnx_ValueInfoProto()
    proto.name = name
    if let type = value.type {
      proto.type = type.proto
      Denotation.write(value.metadata, to: &proto.type)
    }
    if !value.documentation.isEmpty { proto.docString = value.documentation }
    proto.metadataProps = entries(value.plainMetadata)
    return proto
  }

  /// The known types of the values between inputs and outputs.
  private func valueInfo(_ graph: Graph, _ names: ExportNames) -> [Onnx_ValueInfoProto] {
    let outputs = Set(graph.outputs)
    return graph.nodes.flatMap(\.outputs).compactMap { output in
      guard let output, !outputs.contains(output) else { return nil }
      // The specification requires a type in each entry.
      let value = graph[output]
      return value.type == nil ? nil : info(value, names[output])
    }
  }

  /// The outputs. Identity nodes give separate values to outputs that are listed twice and to
  /// values of an enclosing graph that a body passes on.
  private mutating func outputs(
    of graph: Graph, _ names: ExportNames, isBody: Bool
  ) -> ([Onnx_ValueInfoProto], [Onnx_NodeProto]) {
    var listed: Set<ValueID> = []
    var copies: [Onnx_NodeProto] = []
    let outputs = graph.outputs.map { id -> Onnx_ValueInfoProto in
      guard !listed.insert(id).inserted || (isBody && graph.captures[id] != nil) else {
        return info(graph[id], names[id])
      }
      let name = ExportNames.unique(names[id] + "_output", or: "", &usedNames)
      var copy = Onnx_NodeProto()
      copy.opType = Identity.schema.name
      copy.input = [names[id]]
      copy.output = [name]
      copies.append(copy)
      return info(graph[id], name)
    }
    return (outputs, copies)
  }

  private func annotations(_ graph: Graph, _ names: ExportNames) -> [Onnx_TensorAnnotation] {
    graph.values.indices.compactMap { index in
      let entries = entries(graph.values[index].metadata)
        .filter { $0.key.hasPrefix(quantizationPrefix) }
      guard !entries.isEmpty, !names[ValueID(index)].isEmpty else { return nil }
      var annotation = Onnx_TensorAnnotation()
      annotation.tensorName = names[ValueID(index)]
      annotation.quantParameterTensorNames = entries.map { entry in
        var entry = entry
        entry.key = String(entry.key.dropFirst(quantizationPrefix.count))
        return entry
      }
      return annotation
    }
  }
}

extension Value {
  /// The metadata without quantization annotations and denotations.
  var plainMetadata: [ByteString: String] {
    metadata.filter {
      !$0.key.text.hasPrefix(quantizationPrefix) && !$0.key.text.hasPrefix(Denotation.prefix)
    }
  }
}

extension Graph {
  /// Constants that are outputs: runtimes expect a node to compute each output. Constants that
  /// callers may replace stay initializers.
  fileprivate var constantOutputs: [ValueID] {
    var seen: Set<ValueID> = []
    return outputs.filter {
      constants[$0] != nil && !defaultedInputs.contains($0) && seen.insert($0).inserted
    }
  }
}
