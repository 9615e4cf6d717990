import GraftData
import GraftRuntime
import GraftTraining

/// Seeded inputs for a model of which only types and shapes matter.
enum BenchmarkInputs {
  static func make(
    _ graph: Graph, batch: Int, shapes: [ByteString: Shape]
  ) throws -> [RuntimeValue] {
    for name in shapes.keys
    where !graph.inputs.contains(where: { ByteString(graph[$0].name) == name }) {
      throw GraftError.usage("the model has no input '\(name)'")
    }
    var generator = SeededGenerator(seed: 1)
    return try graph.inputs.map { id in
      let name = graph[id].name
      return try withPlace("input '\(name)'") {
        guard let type = graph[id].type?.tensor else {
          throw GraftError.unsupported("only tensors can be made up")
        }
        let shape = try shapes[name] ?? defaultShape(type, name: name, batch: batch)
        return .tensor(try random(type.elementType, shape, &generator))
      }
    }
  }

  private static func defaultShape(_ type: TensorType, name: String, batch: Int) throws -> Shape {
    guard let dimensions = type.shape else {
      throw GraftError.usage("has no declared shape", hint: "Give it with --shape \(name)=…")
    }
    return try dimensions.enumerated().map { axis, dimension in
      if let known = dimension.known { return known }
      guard axis == 0 else {
        throw GraftError.usage(
          "leaves extent \(axis) of \(type) open", hint: "Give the shape with --shape \(name)=…")
      }
      return batch
    }
  }

  /// Normal-like floats, small integers, false.
  private static func random(
    _ elementType: ElementType, _ shape: Shape, _ generator: inout SeededGenerator
  ) throws -> Tensor {
    let count = try shape.checkedElementCount()
    if elementType == .string || elementType == .bool {
      return try Tensor(zeros: elementType, shape: shape)
    }
    let source = try Tensor(
      (0..<count).map { _ in
        elementType.isFloatingPoint
          ? generator.nextUnit() * 2 - 1 : (generator.nextUnit() * 2).rounded(.down)
      }, shape: shape)
    let tensor = try Tensor(zeros: elementType, shape: shape)
    try ElementConversion.convert(
      source.baseAddress, .double, to: tensor.baseAddress, elementType, count: count)
    return tensor
  }
}
