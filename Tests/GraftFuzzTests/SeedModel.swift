import Foundation
import GraftExecution
import GraftGraph
import GraftONNX
import GraftOperators
import GraftTensor
import SwiftProtobuf

/// A good model that damaged ones are made of.
struct SeedModel: Sendable {
  let name: String
  let model: Onnx_ModelProto
  /// The inputs that the model accepts.
  let inputs: [RuntimeValue?]
  /// The folder of its external data.
  var folder: String?

  func bytes() throws -> [UInt8] { try model.serializedBytes() }
}

extension SeedModel {
  /// A model of one node for each example of each operator, with its inputs as inputs of the model,
  /// some as constants, and all as constants.
  ///
  /// - Parameters:
  ///   - opset: by default the lowest possible
  ///   - isWanted: which operators
  static func operators(
    opset: Int? = nil, where isWanted: (OperatorSchema) -> Bool = { _ in true }
  ) throws -> [SeedModel] {
    try OperatorCatalog.operators.filter { isWanted($0.schema) }.flatMap { type in
      try type.examples.flatMap { example in
        try [0, 1, 2].map { form in
          try SeedModel(type.schema, example, opset: opset) { position in
            form == 2 || (form == 1 && position > 0)
          }
        }
      }
    }
  }

  /// Stands for Graft's own domain while a model is exported, which that would not be.
  private static let foreignDomain = "seed"

  private init(
    _ schema: OperatorSchema, _ example: OperatorExample, opset: Int?,
    isConstant: (Int) -> Bool
  ) throws {
    var graph = Graph(name: example.name)
    var given: [RuntimeValue?] = []
    let inputs = example.inputValues.enumerated().map { position, value -> ValueID? in
      guard let value else { return nil }
      if isConstant(position), case .tensor(let tensor) = value {
        return graph.addConstant(name: "input\(position)", tensor)
      }
      given.append(value)
      let id = graph.addInput(name: "input\(position)", type: TensorType(.float, nil))
      graph[id].type = example.inputTypes[position]
      return id
    }
    let outputs = graph.addNode(
      schema.name, domain: schema.domain == "graft" ? Self.foreignDomain : schema.domain,
      name: "node", inputs,
      attributes: example.attributes,
      outputCount: example.outputValues.count)
    graph.nodes[0].outputs = zip(outputs, example.outputValues).map { $1 == nil ? nil : $0 }
    graph.outputs = graph.nodes[0].outputs.compactMap { $0 }
    self.name = "\(schema.name) \(example.name)"
    var model = try Onnx_ModelProto(serializedBytes: try ONNXExporter(opset: opset).bytes(graph))
    model.graph.node[0].domain = schema.domain
    for index in model.opsetImport.indices
    where model.opsetImport[index].domain == Self.foreignDomain {
      model.opsetImport[index].domain = schema.domain
    }
    self.model = model
    self.inputs = given
  }

  /// The small models among the test data.
  static func files() throws -> [SeedModel] {
    guard let folder = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"] else { return [] }
    let root = folder + "/onnx"
    let largest = 300_000
    return try (FileManager.default.enumerator(atPath: root)?.allObjects ?? [])
      .compactMap { $0 as? String }.filter { $0.hasSuffix(".onnx") }.sorted()
      .compactMap { name in
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(root)/\(name)"))
        guard bytes.count <= largest else { return nil }
        return SeedModel(
          name: name, model: try Onnx_ModelProto(serializedBytes: bytes), inputs: [],
          folder: "\(root)/\(name)".split(separator: "/").dropLast().map { "/\($0)" }.joined())
      }
  }
}
