import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Sums of products of elements in Einstein's notation.
///
/// Operands are combined pairwise from left to right. Floating-point sums consist of partial sums
/// of 32 products, which are added in order.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Einsum.html>
struct Einsum: Operator {
  static let schema = OperatorSchema(
    "Einsum", since: [12, 28], sameSince: 12, inputs: 1...OperatorSchema.unlimited)
  static let flushesSubnormals = true

  let equation: EinsumEquation

  init(_ attributes: AttributeReader) throws {
    equation = try EinsumEquation(
      attributes.required("equation", attributes.string("equation")))
  }

  /// They depend on the equation, which is not looked at.
  static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? { nil }

  func infer(_ context: inout InferenceContext) throws {
    let indices = Array(0..<context.inputCount)
    try context.require(0, .realNumbers)
    try context.requireSameElementType(indices)
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shapes = try indices.map { try context.shape($0) }
    let resolved = try equation.resolved(ranks: shapes.map(\.count))
    let extents = try resolved.extents(shapes)
    context.setOutput(0, elementType, resolved.output.map { extents[$0] ?? 1 })
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let type = try context.output(0).elementType
    switch type {
    case .float: return try EinsumKernel(context, self, FloatProducts.self).kernel()
    case .double: return try EinsumKernel(context, self, DoubleProducts.self).kernel()
    case .int64, .uint64: return try EinsumKernel(context, self, IntegerProducts.self).kernel()
    default:
      // The low bits of sums and products are the same in wider integers.
      return try context.converting([type], to: type.isInteger ? .int64 : .float) {
        try prepare($0)
      }
    }
  }

  /// The gradient of an operand is the product of the output's and the other operands, summed to
  /// its axes.
  func gradient(_ builder: inout GradientBuilder) throws {
    let inputs = try builder.node.inputs.indices.map { try builder.input($0) }
    let ranks = try inputs.map { input in
      guard let shape = builder.type(of: input)?.shape else {
        throw GraftError.unsupported("the gradient of Einsum needs to know the operands' ranks")
      }
      return shape.count
    }
    let resolved = try equation.resolved(ranks: ranks)
    for index in inputs.indices where builder.needs(index) {
      try setGradient(index, inputs, resolved, &builder)
    }
  }

  private func setGradient(
    _ index: Int, _ inputs: [ValueID], _ resolved: EinsumEquation.Resolved,
    _ builder: inout GradientBuilder
  ) throws {
    let labels = resolved.operands[index]
    let places = labels.indices.filter { labels.firstIndex(of: labels[$0]) == $0 }
    let unique = places.map { labels[$0] }
    let others = inputs.indices.filter { $0 != index }
    let terms = [resolved.output] + others.map { resolved.operands[$0] }
    var letters = try EinsumLetters(terms + [labels])
    let known = Set(terms.joined())
    let found = unique.filter(known.contains)
    let equation =
      terms.map(letters.text).joined(separator: ",") + "->" + letters.text(found)
    var gradient = builder.add(
      "Einsum", [try builder.outputGradient()] + others.map { inputs[$0] },
      attributes: ["equation": .string(equation)])
    let shape = builder.add("Shape", [inputs[index]])
    // Axes that only this operand has were summed over: all their elements have the same gradient.
    if found.count < unique.count {
      let missing = unique.indices.filter { !known.contains(unique[$0]) }.map(Int64.init)
      let axes = builder.addConstant(try Tensor(missing, shape: [missing.count]))
      gradient = builder.add("Unsqueeze", [gradient, axes])
      let ones = try builder.addScalar(1, like: inputs[index])
      let extents = builder.add(
        "Gather",
        [shape, builder.addConstant(try Tensor(places.map(Int64.init), shape: [places.count]))])
      gradient = builder.add("Mul", [gradient, builder.add("Expand", [ones, extents])])
    }
    // Repeated labels were read along the diagonal: the gradient is 0 off it.
    var operands = [gradient]
    var parts = [letters.text(unique)]
    var result = ""
    for (place, label) in labels.enumerated() {
      guard !places.contains(place) else {
        result += letters.text([label])
        continue
      }
      let letter = try letters.takeFree()
      let extent = builder.add(
        "Gather", [shape, builder.addConstant(try Tensor([Int64(place)], shape: [1]))])
      let square = builder.add(
        "Expand",
        [
          try builder.addScalar(0, like: inputs[index]),
          builder.add("Concat", [extent, extent], attributes: ["axis": .int(0)]),
        ])
      operands.append(builder.add("EyeLike", [square]))
      parts.append(letters.text([label]) + String(letter))
      result.append(letter)
    }
    if operands.count > 1 {
      gradient = builder.add(
        "Einsum", operands,
        attributes: ["equation": .string(parts.joined(separator: ",") + "->" + result)])
    }
    // Broadcast extents of 1 are summed too.
    try builder.setBroadcastInputGradient(index, gradient)
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "transpose", attributes: ["equation": .string("ij->ji")], inputs: [matrix],
        outputs: [.floats([1, 4, 2, 5, 3, 6], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "sum", attributes: ["equation": .string("ij->i")], inputs: [matrix],
        outputs: [.floats([6, 15], [2])], differentiableInputs: [0]),
      OperatorExample(
        "implicit product of matrices", attributes: ["equation": .string("ij, jk")],
        inputs: [matrix, .floats([1, -1, 0, 2, 0.5, 1], [3, 2])],
        outputs: [.floats([2.5, 6, 7, 12], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "batches of diagonals", attributes: ["equation": .string("...ii ->...i")],
        inputs: [.floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2])],
        outputs: [.floats([1, 4, 5, 8], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "a trace and a product", attributes: ["equation": .string("ii,j->j")],
        inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([1, -1, 2], [3])],
        outputs: [.floats([5, -5, 10], [3])], differentiableInputs: [0, 1]),
      OperatorExample(
        "three operands", attributes: ["equation": .string("a,ab,b->")],
        inputs: [.floats([1, -2], [2]), matrix, .floats([1, 0.5, 2], [3])],
        outputs: [.floats([-29], [])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "broadcast ellipsis", attributes: ["equation": .string("...i,...i->...")],
        inputs: [matrix, .floats([1, 0, -1], [1, 3])], outputs: [.floats([-2, -2], [2])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "integers", attributes: ["equation": .string("i,i")],
        inputs: [.integers([1, 2, 3], [3]), .integers([4, 5, 6], [3])],
        outputs: [.integers([32], [])]),
    ]
  }
}

/// The letters available for labels, including those of an ellipsis.
private struct EinsumLetters {
  private var letters: [EinsumLabel: Character] = [:]
  private var free = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".makeIterator()

  init(_ terms: [[EinsumLabel]]) throws {
    for label in terms.joined() where letters[label] == nil { letters[label] = try takeFree() }
  }

  /// - Throws: `GraftError` if there is no letter left.
  mutating func takeFree() throws -> Character {
    guard let letter = free.next() else {
      throw GraftError.unsupported("Einsum has no gradient with more than 52 axes")
    }
    return letter
  }

  func text(_ labels: [EinsumLabel]) -> String { String(labels.compactMap { letters[$0] }) }
}
