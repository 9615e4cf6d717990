import GraftGraph
import GraftONNX

/// Random changes of single fields of a model: sizes, types, names, counts, places.
enum Mutation {
  static func apply(to model: inout Onnx_ModelProto, _ generator: inout some RandomNumberGenerator)
  {
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: model.irVersion = number(&generator)
    case 1:
      if let index = model.opsetImport.indices.randomElement(using: &generator) {
        model.opsetImport[index].version = number(&generator)
      }
    case 2:
      if let index = model.functions.indices.randomElement(using: &generator) {
        change(&model.functions[index].node, &generator)
      }
    default: change(&model.graph, &generator)
    }
  }

  private static let names = ["x", "y", "w", "a", "b", "f", "q", "shape", "", "typed", "in"]

  private static func number(_ generator: inout some RandomNumberGenerator) -> Int64 {
    let choices: [Int64] = [
      0, 1, 2, 3, -1, -2, 7, 1 << 20, 1 << 31, 1 << 40, .max, .min, .max / 4,
    ]
    return choices.randomElement(using: &generator) ?? 0
  }

  private static func change(
    _ graph: inout Onnx_GraphProto, _ generator: inout some RandomNumberGenerator
  ) {
    switch Int.random(in: 0..<7, using: &generator) {
    case 0...2: change(&graph.node, &generator)
    case 3:
      guard let index = graph.initializer.indices.randomElement(using: &generator) else { return }
      change(&graph.initializer[index], &generator)
    case 4:
      guard let index = graph.sparseInitializer.indices.randomElement(using: &generator) else {
        return
      }
      if Bool.random(using: &generator) {
        graph.sparseInitializer[index].dims = [number(&generator), number(&generator)]
      } else {
        change(&graph.sparseInitializer[index].indices, &generator)
      }
    case 5:
      guard let index = graph.input.indices.randomElement(using: &generator) else { return }
      change(&graph.input[index], &generator)
    default:
      guard let index = graph.output.indices.randomElement(using: &generator) else { return }
      change(&graph.output[index], &generator)
    }
  }

  private static func change(
    _ nodes: inout [Onnx_NodeProto], _ generator: inout some RandomNumberGenerator
  ) {
    guard let index = nodes.indices.randomElement(using: &generator) else { return }
    switch Int.random(in: 0..<6, using: &generator) {
    case 0:
      guard let input = nodes[index].input.indices.randomElement(using: &generator) else { return }
      nodes[index].input[input] = names.randomElement(using: &generator) ?? ""
    case 1:
      guard let output = nodes[index].output.indices.randomElement(using: &generator) else {
        return
      }
      nodes[index].output[output] = names.randomElement(using: &generator) ?? ""
    case 2:
      nodes[index].opType =
        ["Add", "Reshape", "Squeeze", "F", "", "Constant", "Identity"]
        .randomElement(using: &generator) ?? ""
    case 3: nodes.swapAt(index, nodes.indices.randomElement(using: &generator) ?? 0)
    case 4: nodes.remove(at: index)
    default:
      guard let place = nodes[index].attribute.indices.randomElement(using: &generator) else {
        return
      }
      var attribute = nodes[index].attribute[place]
      if attribute.hasG {
        change(&attribute.g, &generator)
      } else if Bool.random(using: &generator) {
        attribute.ints = [number(&generator), number(&generator)]
      } else {
        attribute.type =
          Onnx_AttributeProto.AttributeType.allCases.randomElement(using: &generator) ?? .int
      }
      nodes[index].attribute[place] = attribute
    }
  }

  private static func change(
    _ tensor: inout Onnx_TensorProto, _ generator: inout some RandomNumberGenerator
  ) {
    switch Int.random(in: 0..<5, using: &generator) {
    case 0: tensor.dims = [number(&generator), number(&generator)]
    case 1: tensor.dataType = Int32(truncatingIfNeeded: number(&generator))
    case 2: tensor.dataType = Int32.random(in: 0..<30, using: &generator)
    case 3: tensor.name = names.randomElement(using: &generator) ?? ""
    default: tensor.int64Data = [number(&generator), number(&generator)]
    }
  }

  private static func change(
    _ info: inout Onnx_ValueInfoProto, _ generator: inout some RandomNumberGenerator
  ) {
    switch Int.random(in: 0..<4, using: &generator) {
    case 0: info.name = names.randomElement(using: &generator) ?? ""
    case 1: info.type.tensorType.elemType = Int32.random(in: -1..<30, using: &generator)
    case 2: info.type = Onnx_TypeProto()
    default:
      var dimension = Onnx_TensorShapeProto.Dimension()
      dimension.dimValue = number(&generator)
      info.type.tensorType.shape.dim.append(dimension)
    }
  }
}
