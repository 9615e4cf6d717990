import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// 1 with the probability that the input says, otherwise 0.
///
/// The numbers are a function of the attribute `seed` and the element, see ``RandomSource``.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Bernoulli.html>
struct Bernoulli: Operator {
  static let schema = OperatorSchema("Bernoulli", since: [15, 22], sameSince: 15, inputs: 1...1)
  static let drawsUnseeded = true
  private static let types = Set.realNumbers.union([.bool])

  private let output: RandomOutput
  private let source: RandomSource

  init(_ attributes: AttributeReader) throws {
    output = try RandomOutput(attributes, default: nil, allowed: Self.types)
    source = try RandomSource(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try output.inferLikeInput(&context, allowed: Self.types)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let (from, to) = (input.elementType, try context.output(0).elementType)
    let source = source
    let blockCount = 512
    return PreparedKernel.parallel(
      count: input.elementCount, grain: 4096,
      workerScratchByteCount: blockCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let block = scratch.assumingMemoryBound(to: Double.self)
      let random = source.random(arguments)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
        let count = min(blockCount, range.upperBound - start)
        try ElementConversion.convert(
          arguments.input(0) + start * from.byteWidth, from, to: scratch, .double, count: count)
        for index in 0..<count {
          guard block[index] >= 0, block[index] <= 1 else {
            throw GraftError.badData(
              "element \(start + index) is \(block[index]); expected a probability")
          }
          block[index] = random.uniform(at: start + index) < block[index] ? 1 : 0
        }
        try ElementConversion.convert(
          scratch, .double, to: arguments.output(0) + start * to.byteWidth, to, count: count)
      }
    }
  }

  var isDeterministic: Bool { source.isSeeded }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "certain", inputs: [.floats([1, 0, 1], [3, 1])], outputs: [.floats([1, 0, 1], [3, 1])]),
      OperatorExample(
        "booleans",
        attributes: ["dtype": .int(Int(ElementType.bool.rawValue)), "seed": .float(2)],
        inputs: [.floats([0, 1], [2])], outputs: [.bools([false, true], [2])]),
    ]
  }
}
