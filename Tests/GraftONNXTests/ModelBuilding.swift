import Foundation
import GraftFiles
import GraftGraph
import GraftONNX
import GraftTensor
import SwiftProtobuf
import TestSupport

/// Shorthand for making models in tests.
func model(
  opset: Int = 20, irVersion: Int = 9, functions: [Onnx_FunctionProto] = [],
  _ graph: Onnx_GraphProto
) -> Onnx_ModelProto {
  var model = Onnx_ModelProto()
  model.irVersion = Int64(irVersion)
  model.opsetImport = [operatorSet("", opset)]
  model.graph = graph
  model.functions = functions
  if !functions.isEmpty { model.opsetImport.append(operatorSet("local", 1)) }
  return model
}

func operatorSet(_ domain: String, _ version: Int) -> Onnx_OperatorSetIdProto {
  var entry = Onnx_OperatorSetIdProto()
  entry.domain = domain
  entry.version = Int64(version)
  return entry
}

/// A graph whose inputs and outputs are float vectors of two elements.
func graph(
  _ nodes: [Onnx_NodeProto], inputs: [String] = ["x"], outputs: [String] = ["y"],
  initializers: [Onnx_TensorProto] = []
) -> Onnx_GraphProto {
  var graph = Onnx_GraphProto()
  graph.name = "test"
  graph.node = nodes
  graph.input = inputs.map { valueInfo($0) }
  graph.output = outputs.map { valueInfo($0) }
  graph.initializer = initializers
  return graph
}

func valueInfo(
  _ name: String, _ type: ElementType = .float, shape: [Int]? = [2]
) -> Onnx_ValueInfoProto {
  var info = Onnx_ValueInfoProto()
  info.name = name
  info.type.tensorType.elemType = type.rawValue
  if let shape {
    info.type.tensorType.shape.dim = shape.map { extent in
      var dimension = Onnx_TensorShapeProto.Dimension()
      dimension.dimValue = Int64(extent)
      return dimension
    }
  }
  return info
}

func node(
  _ type: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "",
  _ attributes: [Onnx_AttributeProto] = []
) -> Onnx_NodeProto {
  var node = Onnx_NodeProto()
  node.opType = type
  node.input = inputs
  node.output = outputs
  if !name.isEmpty { node.name = name }
  if !domain.isEmpty { node.domain = domain }
  node.attribute = attributes
  return node
}

func attribute(_ name: String, ints: [Int]) -> Onnx_AttributeProto {
  var attribute = Onnx_AttributeProto()
  attribute.name = name
  attribute.type = .ints
  attribute.ints = ints.map(Int64.init)
  return attribute
}

func attribute(_ name: String, float: Float) -> Onnx_AttributeProto {
  var attribute = Onnx_AttributeProto()
  attribute.name = name
  attribute.type = .float
  attribute.f = float
  return attribute
}

func attribute(_ name: String, graph: Onnx_GraphProto) -> Onnx_AttributeProto {
  var attribute = Onnx_AttributeProto()
  attribute.name = name
  attribute.type = .graph
  attribute.g = graph
  return attribute
}

func attribute(
  _ name: String, refersTo other: String, type: Onnx_AttributeProto.AttributeType
) -> Onnx_AttributeProto {
  var attribute = Onnx_AttributeProto()
  attribute.name = name
  attribute.type = type
  attribute.refAttrName = other
  return attribute
}

/// A tensor with its elements as raw data.
func tensor(
  _ name: String, _ type: ElementType, _ shape: [Int], raw: [UInt8]
) -> Onnx_TensorProto {
  var tensor = Onnx_TensorProto()
  tensor.name = name
  tensor.dataType = type.rawValue
  tensor.dims = shape.map(Int64.init)
  tensor.rawData = Data(raw)
  return tensor
}

func floats(_ name: String, _ elements: [Float]) -> Onnx_TensorProto {
  tensor(name, .float, [elements.count], raw: elements.withUnsafeBytes { Array($0) })
}

func function(
  _ name: String, inputs: [String], outputs: [String], _ nodes: [Onnx_NodeProto],
  attributes: [String] = [], defaults: [Onnx_AttributeProto] = []
) -> Onnx_FunctionProto {
  var function = Onnx_FunctionProto()
  function.name = name
  function.domain = "local"
  function.input = inputs
  function.output = outputs
  function.node = nodes
  function.attribute = attributes
  function.attributeProto = defaults
  function.opsetImport = [operatorSet("", 20)]
  return function
}

func storage(_ bytes: [UInt8]) throws -> Storage {
  let storage = try Storage.heap(byteCount: bytes.count)
  bytes.withUnsafeBytes {
    storage.baseAddress.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
  }
  return storage
}

func serialized(_ message: some SwiftProtobuf.Message) throws -> [UInt8] {
  try message.serializedBytes()
}

func imported(
  _ model: Onnx_ModelProto, limits: ImportLimits = .standard, folder: String? = nil
) throws -> Graph {
  try ONNXImporter(limits: limits).graph(try storage(try serialized(model)), folder: folder)
}

/// The message of the `GraftError` that `body` throws; `nil` if it throws none.
func errorMessage(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as GraftError {
    return error.description
  } catch {
    return "no GraftError: \(error)"
  }
}

/// A new folder that is removed with its contents when `body` is done.
func withTemporaryFolder(_ body: (String) throws -> Void) throws {
  let folder = try TemporaryFolder()
  try withExtendedLifetime(folder) { try body(folder.path) }
}
