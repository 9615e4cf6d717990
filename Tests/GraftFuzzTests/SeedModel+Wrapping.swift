import Foundation
import GraftONNX
import GraftTensor
import SwiftProtobuf

/// The node of a model in the middle of others, at the newest opset.
extension SeedModel {
  /// The node in both branches of an If.
  var insideIf: SeedModel? {
    guard var copy = body(named: "inner_") else { return nil }
    var branch = Onnx_GraphProto()
    branch.name = "branch"
    branch.node = copy.nodes
    branch.output = copy.outputs
    var node = Onnx_NodeProto()
    node.opType = "If"
    node.name = "if"
    node.input = ["condition"]
    node.output = model.graph.output.map(\.name)
    node.attribute = ["then_branch", "else_branch"].map { attribute($0, branch) }
    copy.model.graph.node = [node]
    copy.model.graph.initializer.append(scalar("condition", .bool, [1]))
    return SeedModel(name: "\(name) in If", model: copy.model, inputs: inputs, folder: folder)
  }

  /// The node in a Loop of three trips, whose results are the last ones of them.
  var insideLoop: SeedModel? {
    guard var copy = body(named: "trip_") else { return nil }
    var trip = Onnx_GraphProto()
    trip.name = "body"
    var keep = Onnx_NodeProto()
    keep.opType = "Identity"
    keep.input = ["go_on"]
    keep.output = ["go_on_again"]
    trip.node = copy.nodes + [keep]
    // Constants lie in the body here, and outside in the branches of an If.
    trip.initializer = copy.model.graph.initializer
    trip.input = [info("trip", .int64), info("go_on", .bool)]
    trip.output = [info("go_on_again", .bool)] + copy.outputs
    guard model.graph.output.allSatisfy({ $0.type.tensorType.elemType != 0 }) else { return nil }
    var node = Onnx_NodeProto()
    node.opType = "Loop"
    node.name = "loop"
    node.input = ["trips", "condition"]
    node.output = model.graph.output.map(\.name)
    node.attribute = [attribute("body", trip)]
    copy.model.graph.node = [node]
    copy.model.graph.initializer = [
      scalar("condition", .bool, [1]), scalar("trips", .int64, [3, 0, 0, 0, 0, 0, 0, 0]),
    ]
    // Scan outputs have one more axis.
    for index in copy.model.graph.output.indices {
      copy.model.graph.output[index].type.tensorType.clearShape()
    }
    return SeedModel(name: "\(name) in Loop", model: copy.model, inputs: inputs, folder: folder)
  }

  /// The node with its inputs and its outputs of floats taken through eight bits.
  var betweenQuantized: SeedModel? {
    var model = model
    guard model.graph.node.count == 1 else { return nil }
    let types = Dictionary(
      model.graph.input.map { ($0.name, $0.type.tensorType.elemType) }
        + model.graph.initializer.map { ($0.name, $0.dataType) }, uniquingKeysWith: { $1 })
    var before: [Onnx_NodeProto] = []
    for index in model.graph.node[0].input.indices {
      let input = model.graph.node[0].input[index]
      guard types[input] == ElementType.float.rawValue else { continue }
      before += throughBytes(input, "\(input)_rounded")
      model.graph.node[0].input[index] = "\(input)_rounded"
    }
    guard !before.isEmpty else { return nil }
    var after: [Onnx_NodeProto] = []
    for output in model.graph.output
    where output.type.tensorType.elemType == ElementType.float.rawValue {
      guard let index = model.graph.node[0].output.firstIndex(of: output.name) else { continue }
      model.graph.node[0].output[index] = "\(output.name)_exact"
      after += throughBytes("\(output.name)_exact", output.name)
    }
    model.graph.node = before + model.graph.node + after
    model.graph.valueInfo = []
    model.graph.initializer += [
      floatScalar("byte_scale", 0.0625), scalar("byte_zero", .uint8, [128]),
    ]
    return SeedModel(
      name: "\(name) between quantized values", model: model, inputs: inputs, folder: folder)
  }

  private func throughBytes(_ input: String, _ output: String) -> [Onnx_NodeProto] {
    var quantize = Onnx_NodeProto()
    quantize.opType = "QuantizeLinear"
    quantize.input = [input, "byte_scale", "byte_zero"]
    quantize.output = ["\(output)_bytes"]
    var dequantize = Onnx_NodeProto()
    dequantize.opType = "DequantizeLinear"
    dequantize.input = ["\(output)_bytes", "byte_scale", "byte_zero"]
    dequantize.output = [output]
    return [quantize, dequantize]
  }

  /// The model without nodes, and its nodes with other names for what they compute.
  private func body(
    named prefix: String
  ) -> (model: Onnx_ModelProto, nodes: [Onnx_NodeProto], outputs: [Onnx_ValueInfoProto])? {
    guard !model.graph.node.isEmpty else { return nil }
    var copy = model
    copy.graph.node = []
    copy.graph.valueInfo = []
    let computed = Set(model.graph.node.flatMap(\.output))
    func inner(_ name: String) -> String {
      computed.contains(name) && !name.isEmpty ? prefix + name : name
    }
    let nodes = model.graph.node.map { node in
      var node = node
      node.input = node.input.map(inner)
      node.output = node.output.map(inner)
      node.name = prefix + node.name
      return node
    }
    let outputs = model.graph.output.map { output in
      var output = output
      output.name = inner(output.name)
      return output
    }
    return (copy, nodes, outputs)
  }

  private func attribute(_ name: String, _ body: Onnx_GraphProto) -> Onnx_AttributeProto {
    var attribute = Onnx_AttributeProto()
    attribute.name = name
    attribute.type = .graph
    attribute.g = body
    return attribute
  }

  private func info(_ name: String, _ type: ElementType) -> Onnx_ValueInfoProto {
    var info = Onnx_ValueInfoProto()
    info.name = name
    info.type.tensorType.elemType = type.rawValue
    info.type.tensorType.shape = Onnx_TensorShapeProto()
    return info
  }

  private func scalar(_ name: String, _ type: ElementType, _ bytes: [UInt8]) -> Onnx_TensorProto {
    var tensor = Onnx_TensorProto()
    tensor.name = name
    tensor.dataType = type.rawValue
    tensor.rawData = Data(bytes)
    return tensor
  }

  private func floatScalar(_ name: String, _ value: Float) -> Onnx_TensorProto {
    scalar(name, .float, withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
  }
}
