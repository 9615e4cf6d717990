import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Permutes axes: axis `i` of the output is axis `perm[i]` of the input; reversed without `perm`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Transpose.html>
package struct Transpose: Operator {
  package static let schema = OperatorSchema(
    "Transpose", since: [1, 13, 21, 23, 24, 25], sameSince: 1, inputs: 1...1)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact
  package static let onlyMoves = true

  package let permutation: [Int]?

  package init(_ attributes: AttributeReader) throws {
    permutation = try attributes.ints("perm")
    if let permutation {
      guard permutation.sorted() == Array(permutation.indices) else {
        throw GraftError.badData("attribute 'perm' is \(permutation); expected a permutation")
      }
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    let unknownShape = permutation.map { Array(repeating: Dimension.unknown, count: $0.count) }
    context.setOutput(0, elementType, unknownShape)
    let shape = try context.shape(0)
    if let permutation, permutation.count != shape.count {
      throw GraftError.badData(
        "attribute 'perm' is \(permutation) for an input of rank \(shape.count)")
    }
    context.setOutput(0, elementType, order(rank: shape.count).map { shape[$0] })
  }

  private func order(rank: Int) -> [Int] { permutation ?? (0..<rank).reversed() }

  package func isIdentity(_ context: InferenceContext) -> Bool {
    if let permutation { return permutation == Array(permutation.indices) }
    return (try? context.shape(0))?.count == 1
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let sourceStrides = input.shape.denseStrides
      let destinationStrides = try context.output(0).shape.denseStrides
      let axes = order(rank: input.rank).enumerated().map { axis, from in
        ElementCopy.Axis(
          extent: input.shape[from], sourceStride: sourceStrides[from],
          destinationStride: destinationStrides[axis])
      }
      return .reordering(
        ElementCopy(
          from: .input(0), width: input.elementType.byteWidth, axes: axes,
          instructionSet: context.instructionSet),
        inputByteCount: input.byteCount)
    }
  }

  /// The inverse permutation.
  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    var attributes: [ByteString: Attribute] = [:]
    if let permutation {
      var inverse = permutation
      for (axis, from) in permutation.enumerated() { inverse[from] = axis }
      attributes["perm"] = .ints(inverse)
    }
    builder.setInputGradient(
      0, builder.add("Transpose", [try builder.outputGradient()], attributes: attributes))
  }

  package static var examples: [OperatorExample] {
    let counting = (0..<24).map(Float.init)
    return [
      OperatorExample(
        "a matrix", inputs: [.floats([1, 2, 3, 4, 5, 6], [2, 3])],
        outputs: [.floats([1, 4, 2, 5, 3, 6], [3, 2])], differentiableInputs: [0]),
      OperatorExample(
        "three axes", attributes: ["perm": .ints([2, 0, 1])],
        inputs: [.floats(counting, [2, 3, 4])],
        outputs: [
          .floats(
            [
              0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21, 2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23,
            ], [4, 2, 3])
        ], differentiableInputs: [0]),
      OperatorExample(
        "an axis of extent 1 moves", attributes: ["perm": .ints([1, 0])],
        inputs: [.example([Int8(1), 2, 3], [1, 3])], outputs: [.example([Int8(1), 2, 3], [3, 1])]),
      OperatorExample(
        "strings", inputs: [.strings(["a", "b", "c", "d"], [2, 2])],
        outputs: [.strings(["a", "c", "b", "d"], [2, 2])]),
      OperatorExample("empty", inputs: [.floats([], [2, 0])], outputs: [.floats([], [0, 2])]),
    ]
  }
}
