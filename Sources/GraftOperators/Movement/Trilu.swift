import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The upper or lower triangle of each matrix, zeros elsewhere; `k` shifts the diagonal to the
/// right.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Trilu.html>
struct Trilu: Operator {
  static let schema = OperatorSchema("Trilu", since: [14], inputs: 1...2)

  let isUpper: Bool

  init(_ attributes: AttributeReader) throws {
    isUpper = try attributes.flag("upper", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput()
    if context.hasInput(1) {
      try context.require(1, [.int64])
      if let count = try context.shape(1).product().known, count != 1 {
        throw GraftError.badData("k has \(count) elements; expected one")
      }
    }
    let rank = try context.shape(0).count
    guard rank >= 2 else {
      throw GraftError.badData("input 0 has rank \(rank); expected 2 or more")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let (rows, columns) = (input.shape[input.rank - 2], input.shape[input.rank - 1])
      let width = input.elementType.byteWidth
      let rowBytes = columns * width
      let hasDiagonal = context.hasInput(1)
      let isUpper = isUpper
      return .parallel(
        count: rowBytes == 0 ? 0 : input.byteCount / rowBytes,
        grain: max(1, (1 << 16) / max(1, rowBytes)), inPlaceInputs: [0]
      ) { arguments, range in
        let diagonal = hasDiagonal ? Int(arguments.input(1, as: Int64.self)[0]) : 0
        // All diagonals outside the matrix are equivalent.
        let shift = max(-rows, min(diagonal, columns))
        for row in range {
          let source = arguments.input(0) + row * rowBytes
          let target = arguments.output(0) + row * rowBytes
          let isSame = source == UnsafeRawPointer(target)
          let first = row % rows + shift
          let cut = max(0, min(isUpper ? first : first + 1, columns)) * width
          let kept = isUpper ? cut..<rowBytes : 0..<cut
          let cleared = isUpper ? 0..<cut : cut..<rowBytes
          if !isSame {
            (target + kept.lowerBound).copyMemory(
              from: source + kept.lowerBound, byteCount: kept.count)
          }
          (target + cleared.lowerBound).initializeMemory(
            as: UInt8.self, repeating: 0, count: cleared.count)
        }
      }
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "Trilu", [try builder.outputGradient()] + builder.node.inputs.dropFirst(),
        attributes: builder.node.attributes))
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "upper", inputs: [matrix], outputs: [.floats([1, 2, 3, 0, 5, 6], [2, 3])],
        differentiableInputs: [0]),
      OperatorExample(
        "lower, shifted", attributes: ["upper": .int(0)], inputs: [matrix, .integers([1], [])],
        outputs: [.floats([1, 2, 0, 4, 5, 6], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "a diagonal far outside", inputs: [matrix, .integers([.max], [])],
        outputs: [.floats([0, 0, 0, 0, 0, 0], [2, 3])]),
    ]
  }
}
