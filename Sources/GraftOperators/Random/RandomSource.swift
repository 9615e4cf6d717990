import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attribute `seed` of ONNX's random operators.
///
/// The numbers are a function of the seed and the element, see ``CounterRandom``: the same in each
/// run, and for any number of threads. ONNX leaves them open. Nodes without a seed draw different
/// numbers from each other, and in each trip of a loop: `stream`, which ``Operator/drawsUnseeded``
/// nodes get when a graph is lowered, tells them apart.
struct RandomSource: Sendable {
  private let seed: Int
  private let stream: Int
  /// Whether the model gives the seed. Then equal nodes draw equal numbers.
  let isSeeded: Bool

  init(_ attributes: AttributeReader) throws {
    let seed = try attributes.float("seed")
    isSeeded = seed != nil
    self.seed = Int(seed?.bitPattern ?? 0)
    stream = try attributes.int("stream", default: 0)
  }

  /// The numbers of a run of the node.
  func random(_ arguments: KernelArguments) -> CounterRandom {
    CounterRandom(seed: seed, stream: stream, step: isSeeded ? 0 : arguments.trip)
  }
}

extension CounterRandom {
  /// A number of the standard normal distribution.
  ///
  /// Source: Box, Muller, "A note on the generation of random normal deviates", Annals of
  /// Mathematical Statistics 29, 1958
  func normal(at element: Int) -> Double {
    // Not 0, whose logarithm is infinite.
    let first = 1 - uniform(at: 2 &* element)
    let angle = 2 * Double.pi * uniform(at: 2 &* element &+ 1)
    return (-2 * log(first)).squareRoot() * cos(angle)
  }
}

/// The output type of a random operator, and a kernel that fills it.
struct RandomOutput: Sendable {
  /// `nil` for that of the input
  let elementType: ElementType?

  /// - Parameter allowed: the types of the specification
  init(
    _ attributes: AttributeReader, default type: ElementType?, allowed: Set<ElementType>
  ) throws {
    elementType = try attributes.elementType("dtype") ?? type
    if let elementType, !allowed.contains(elementType) {
      throw GraftError.badData(
        "attribute 'dtype' is \(elementType), which the operator cannot give")
    }
  }

  /// Output 0 has the shape of input 0.
  func inferLikeInput(_ context: inout InferenceContext, allowed: Set<ElementType>) throws {
    let input = try context.input(0)
    let type = elementType ?? input.elementType
    guard allowed.contains(type) else {
      throw GraftError.badData("the output would have element type \(type); use 'dtype'")
    }
    context.setOutput(0, type, input.shape)
  }

  /// A kernel that computes each element of output 0 in double.
  static func kernel(
    _ context: PrepareContext, _ distribution: RandomDistribution
  ) throws -> PreparedKernel {
    let output = try context.output(0)
    let type = output.elementType
    let blockCount = 512
    return PreparedKernel.parallel(
      count: output.elementCount, grain: 2048,
      workerScratchByteCount: blockCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let block = scratch.assumingMemoryBound(to: Double.self)
      let random = distribution.source.random(arguments)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
        let count = min(blockCount, range.upperBound - start)
        for index in 0..<count { block[index] = distribution.element(random, start + index) }
        try ElementConversion.convert(
          scratch, .double, to: arguments.output(0) + start * type.byteWidth, type, count: count)
      }
    }
  }
}

/// The attributes `mean` and `scale`, or `low` and `high`, as a function of the element.
struct RandomDistribution: Sendable {
  let source: RandomSource
  let element: @Sendable (CounterRandom, Int) -> Double

  static func normal(_ attributes: AttributeReader) throws -> RandomDistribution {
    let source = try RandomSource(attributes)
    let mean = Double(try attributes.float("mean", default: 0))
    let scale = Double(try attributes.float("scale", default: 1))
    return RandomDistribution(source: source) {
      mean + scale * $0.normal(at: $1)
    }
  }

  static func uniform(_ attributes: AttributeReader) throws -> RandomDistribution {
    let source = try RandomSource(attributes)
    let low = Double(try attributes.float("low", default: 0))
    let high = Double(try attributes.float("high", default: 1))
    return RandomDistribution(source: source) {
      low + (high - low) * $0.uniform(at: $1)
    }
  }
}
