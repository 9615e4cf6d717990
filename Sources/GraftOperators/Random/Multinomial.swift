import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Draws classes: from logarithms of probabilities `[N, classes]`, which need not add up to 1, to
/// class numbers `[N, sample_size]`.
///
/// The numbers are a function of the attribute `seed` and the element, see ``RandomSource``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Multinomial.html>
struct Multinomial: Operator {
  static let schema = OperatorSchema("Multinomial", since: [7, 22], sameSince: 7, inputs: 1...1)
  static let drawsUnseeded = true

  private let output: RandomOutput
  private let source: RandomSource
  private let sampleCount: Int

  init(_ attributes: AttributeReader) throws {
    output = try RandomOutput(attributes, default: .int32, allowed: [.int32, .int64])
    source = try RandomSource(attributes)
    sampleCount = try attributes.int("sample_size", default: 1)
    guard sampleCount >= 0 else {
      throw GraftError.badData("attribute 'sample_size' is \(sampleCount)")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = output.elementType ?? .int32
    context.setOutput(0, type, nil)
    try context.require(0, .floatingPoint)
    let shape = try context.shape(0)
    guard shape.count == 2 else {
      throw GraftError.badData("input 0 has shape \(shape); expected [batch, classes]")
    }
    if let classes = shape[1].known {
      guard classes > 0, classes <= Int(Int32.max) else {
        throw GraftError.badData("there are \(classes) classes to draw from")
      }
    }
    context.setOutput(0, type, [shape[0], .known(sampleCount)])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    switch try context.output(0).elementType {
    case .int32: try kernel(Int32.self, context)
    default: try kernel(Int64.self, context)
    }
  }

  private func kernel<Index: FixedWidthInteger & Sendable>(
    _: Index.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let input = try context.input(0)
    let (batch, classes) = (input.shape[0], input.shape[1])
    let type = input.elementType
    let source = source
    let sampleCount = sampleCount
    let (elements, overflows) = input.elementCount.multipliedReportingOverflow(by: 8)
    guard !overflows else { throw GraftError(.operatingSystem, "needs too much memory") }
    // The sums of the probabilities of all classes up to each one.
    let sums = PreparedKernel.Phase.parallel(count: batch, grain: max(1, 2048 / classes)) {
      arguments, rows in
      guard let scratch = arguments.scratch else { return }
      for row in rows {
        let sums = scratch.assumingMemoryBound(to: Double.self) + row * classes
        try ElementConversion.convert(
          arguments.input(0) + row * classes * type.byteWidth, type, to: sums, .double,
          count: classes)
        var largest = -Double.infinity
        for index in 0..<classes { largest = max(largest, sums[index]) }
        var total = 0.0
        for index in 0..<classes {
          total += exp(sums[index] - largest)
          sums[index] = total
        }
        guard total > 0, total.isFinite else {
          throw GraftError.badData("row \(row) has no finite probabilities")
        }
      }
    }
    let samples = PreparedKernel.Phase.parallel(count: batch * sampleCount, grain: 1024) {
      arguments, range in
      guard let scratch = arguments.scratch else { return }
      let y = arguments.output(0, as: Index.self)
      let random = source.random(arguments)
      for index in range {
        let sums = scratch.assumingMemoryBound(to: Double.self) + index / sampleCount * classes
        let wanted = random.uniform(at: index) * sums[classes - 1]
        // The first class whose sum is above.
        var (low, high) = (0, classes - 1)
        while low < high {
          let middle = (low + high) / 2
          if sums[middle] > wanted { high = middle } else { low = middle + 1 }
        }
        y[index] = Index(low)
      }
    }
    return PreparedKernel(phases: [sums, samples], scratchByteCount: elements)
  }

  var isDeterministic: Bool { source.isSeeded }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "certain", attributes: ["sample_size": .int(2)],
        inputs: [.floats([-.infinity, 3, -.infinity, 0, -.infinity, -.infinity], [2, 3])],
        outputs: [.example([1, 1, 0, 0] as [Int32], [2, 2])]),
      OperatorExample(
        "int64", attributes: ["dtype": .int(Int(ElementType.int64.rawValue)), "seed": .float(1)],
        inputs: [.floats([5], [1, 1])], outputs: [.integers([0], [1, 1])]),
    ]
  }
}
