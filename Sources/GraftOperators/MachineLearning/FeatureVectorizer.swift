import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The columns of all inputs, as floats: `[N, C]`… → `[N, sum of inputdimensions]`; `[C]` is one
/// row.
///
/// Of an input with more columns than its dimension the first ones are taken; one with fewer is
/// filled up with zeros.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxml_FeatureVectorizer.html>
struct FeatureVectorizer: Operator {
  static let schema = OperatorSchema(
    "FeatureVectorizer", domain: OperatorDomain.machineLearning, since: [1],
    inputs: 1...OperatorSchema.unlimited)

  private let dimensions: [Int]?

  init(_ attributes: AttributeReader) throws {
    dimensions = try attributes.ints("inputdimensions")
    guard dimensions?.allSatisfy({ $0 >= 0 }) ?? true else {
      throw GraftError.badData("'inputdimensions' has a negative number")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    if let dimensions, dimensions.count != context.inputCount {
      throw GraftError.badData(
        "has \(context.inputCount) inputs and \(dimensions.count) 'inputdimensions'")
    }
    var rows: Dimension = .unknown
    var columns: Dimension = 0
    for index in 0..<context.inputCount {
      try context.require(index, .features)
      let shape = try context.shape(index)
      guard (1...2).contains(shape.count) else {
        throw GraftError.badData("input \(index) has shape \(shape); expected [N, C] or [C]")
      }
      let count: Dimension = shape.count == 1 ? 1 : shape[0]
      if let known = count.known, let other = rows.known, known != other {
        throw GraftError.badData("input \(index) has \(known) rows, others have \(other)")
      }
      if rows.known == nil { rows = count }
      let extent = dimensions.map { .known($0[index]) } ?? shape[shape.count - 1]
      columns = try Dimension.combine(columns, extent) { first, second in
        let (sum, overflow) = first.addingReportingOverflow(second)
        guard !overflow else { throw GraftError.badData("has too many columns") }
        return sum
      }
    }
    try context.requireSameElementType(Array(0..<context.inputCount))
    context.setOutput(0, .float, [rows, columns])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    struct Part {
      let input: Int
      let elementType: ElementType
      let inputExtent: Int
      let extent: Int
      let offset: Int
    }
    var parts: [Part] = []
    for index in context.inputs.indices {
      let input = try context.input(index)
      let inputExtent = input.shape.last ?? 1
      parts.append(
        Part(
          input: index, elementType: input.elementType, inputExtent: inputExtent,
          extent: dimensions?[index] ?? inputExtent,
          offset: parts.last.map { $0.offset + $0.extent } ?? 0))
    }
    let output = try context.output(0)
    let columnCount = output.shape[1]
    return .parallel(count: output.shape[0], grain: max(1, (1 << 14) / max(columnCount, 1))) {
      [parts] arguments, rows in
      let target = arguments.output(0, as: Float.self)
      for row in rows {
        for part in parts {
          let place = target + row * columnCount + part.offset
          let copied = min(part.extent, part.inputExtent)
          try ElementConversion.convert(
            arguments.input(part.input) + row * part.inputExtent * part.elementType.byteWidth,
            part.elementType, to: place, .float, count: copied)
          (place + copied).update(repeating: 0, count: part.extent - copied)
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let x = Tensor.floats([1, -3, 2, -1, -2, -4], [2, 3])
    return [
      OperatorExample(
        "cut and filled", attributes: ["inputdimensions": .ints([2, 4])], inputs: [x, x],
        outputs: [.floats([1, -3, 1, -3, 2, 0, -1, -2, -1, -2, -4, 0], [2, 6])]),
      OperatorExample(
        "a row of integers", attributes: ["inputdimensions": .ints([3])],
        inputs: [.integers([1, 2, 3], [3])], outputs: [.floats([1, 2, 3], [1, 3])]),
    ]
  }
}
