import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Weights that turn the frequencies of a spectrum into bands of the mel scale: a matrix
/// `[dft_length / 2 + 1, num_mel_bins]` with a triangle in each column.
///
/// Inputs, all scalars: the number of bands, the length of the transform, the sample rate, the
/// lower and the upper edge in hertz.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html>
struct MelWeightMatrix: Operator {
  static let schema = OperatorSchema("MelWeightMatrix", since: [17], inputs: 5...5)

  private let elementType: ElementType

  init(_ attributes: AttributeReader) throws {
    elementType = try attributes.elementType("output_datatype") ?? .float
    guard Set.realNumbers.contains(elementType) else {
      throw GraftError.badData("attribute 'output_datatype' is \(elementType); expected a number")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, elementType, [.unknown, .unknown])
    for index in 0..<5 {
      try context.require(index, index < 3 ? [.int32, .int64] : .floatingPoint)
      try context.requireOneElement(index)
    }
    func count(_ index: Int, _ name: String) throws -> Int {
      let count = try context.contents(index).integers().requiredFirst(name)
      guard count >= 0, count < 1 << 40 else { throw GraftError.badData("'\(name)' is \(count)") }
      return count
    }
    let (bands, length) = (try count(0, "num_mel_bins"), try count(1, "dft_length"))
    context.setOutput(0, elementType, [.known(length / 2 + 1), .known(bands)])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    let (bins, bands) = (output.shape[0], output.shape[1])
    let length = try (context.integers(1) ?? []).requiredFirst("dft_length")
    let inputTypes = try (2..<5).map { try context.input($0).elementType }
    let type = output.elementType
    // The edges of the triangles, and a column of doubles for each band.
    let (elements, overflows) = bins.multipliedReportingOverflow(by: 8)
    guard !overflows else { throw GraftError(.operatingSystem, "needs too much memory") }
    let edges = PreparedKernel.Phase(taskCount: 1) { arguments, _ in
      guard let scratch = arguments.scratch else { return }
      let edges = scratch.assumingMemoryBound(to: Int.self)
      var (rate, lower, upper) = (0.0, 0.0, 0.0)
      for (index, type) in inputTypes.enumerated() {
        var number = 0.0
        try ElementConversion.convert(
          arguments.input(index + 2), type, to: &number, .double, count: 1)
        if index == 0 {
          rate = number
        } else if index == 1 {
          lower = number
        } else {
          upper = number
        }
      }
      guard rate > 0, lower >= 0, upper >= lower, upper.isFinite else {
        throw GraftError.badData(
          "frequencies from \(lower) to \(upper) Hz at \(rate) samples per second")
      }
      // The reference implementation computes this part in the type of the input, float mostly.
      func mels(_ hertz: Double, _ type: ElementType) -> Double {
        let logarithm =
          type == .double ? log1p(hertz / 700) : Double(log1p(Float(hertz) / 700))
        return 2595 * logarithm / log(10)
      }
      let (low, high) = (mels(lower, inputTypes[1]), mels(upper, inputTypes[2]))
      let step = (high - low) / Double(bands + 2)
      for index in 0..<(bands + 2) {
        let frequency = 700 * expm1((Double(index) * step + low) / 2595 * log(10))
        let bin = (Double(length + 1) * frequency / rate).rounded(.down)
        edges[index] = Int(min(bin, 0x1p60))
      }
    }
    let columns = PreparedKernel.Phase.parallel(
      count: bands, grain: max(1, 4096 / max(1, bins))
    ) { arguments, range in
      guard let scratch = arguments.scratch, let workerScratch = arguments.workerScratch else {
        return
      }
      let edges = scratch.assumingMemoryBound(to: Int.self)
      let column = workerScratch.assumingMemoryBound(to: Double.self)
      for band in range {
        let (left, center, right) = (edges[band], edges[band + 1], edges[band + 2])
        for bin in 0..<bins {
          column[bin] =
            if bin == center {
              1
            } else if bin > center, bin < right {
              Double(right - bin) / Double(right - center)
            } else if bin >= left, bin < center {
              Double(bin - left) / Double(center - left)
            } else {
              0
            }
        }
        for bin in 0..<bins {
          try ElementConversion.convert(
            column + bin, .double,
            to: arguments.output(0) + (bin * bands + band) * type.byteWidth, type, count: 1)
        }
      }
    }
    return PreparedKernel(
      phases: [edges, columns], scratchByteCount: (bands + 2) * MemoryLayout<Int>.stride,
      workerScratchByteCount: elements)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "four bands",
        inputs: [
          .integers([4], []), .integers([16], []), .integers([8000], []), .floats([0], []),
          .floats([4000], []),
        ],
        outputs: [
          .floats(
            [
              1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0,
              0, 0, 0, 0, 0, 0, 0, 0,
            ], [9, 4])
        ]),
      OperatorExample(
        "no bands",
        inputs: [
          .example([Int32(0)], []), .example([Int32(4)], []), .example([Int32(8000)], []),
          .floats([0], []), .floats([4000], []),
        ],
        outputs: [.floats([], [3, 0])]),
    ]
  }
}
