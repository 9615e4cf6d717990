import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradients of ``GridSample``.
///
/// Inputs: dy `[N, C, O1, …, Or]`, X `[N, C, D1, …, Dr]`, grid `[N, O1, …, Or, r]`. Outputs: dX,
/// dgrid. The attributes are those of GridSample.
struct GridSampleGradient: Operator {
  static let schema = OperatorSchema(
    "GridSampleGradient", domain: "graft", since: [1], inputs: 3...3, outputs: 1...2)

  let sampling: GridSampling

  init(_ attributes: AttributeReader) throws { sampling = try GridSampling(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    try context.require(2, .floatingPoint)
    let (shape, grid) = (try context.shape(1), try context.shape(2))
    guard shape.count >= 3, shape.count <= 10, grid.count == shape.count,
      grid[grid.count - 1].isCompatible(with: .known(shape.count - 2))
    else {
      throw GraftError.badData("a grid of shape \(grid) does not fit an input of shape \(shape)")
    }
    try context.requireShape(0, Array(shape[..<2]) + grid[1..<grid.count - 1])
    context.setOutput(0, try context.elementType(1), shape)
    context.setOutput(1, try context.elementType(2), grid)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try GridSampling.kernel(
      context, inputs: [0, 2], float: { try kernel(Float.self, $0) },
      double: { try kernel(Double.self, $0) })
  }

  private func kernel<Element: BinaryFloatingPoint & Sendable>(
    _: Element.Type, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let shape = try context.input(1).shape
    let samples = Samples(
      sampling: sampling, channels: shape[1], extents: Array(shape[2...]),
      pixelCount: try context.input(0).shape[2...].reduce(1, *))
    var phases: [PreparedKernel.Phase] = []
    if context.hasOutput(0) {
      // Each plane is written by one task, in the order of its pixels.
      phases.append(
        .parallel(count: shape[0] * shape[1], grain: 1) { arguments, planes in
          let dy = arguments.input(0, as: Element.self)
          let grid = arguments.input(2, as: Element.self)
          for plane in planes {
            let dx = arguments.output(0, as: Element.self) + plane * samples.planeCount
            dx.update(repeating: 0, count: samples.planeCount)
            let first = plane / samples.channels * samples.pixelCount
            for pixel in 0..<samples.pixelCount {
              let arriving = dy[plane * samples.pixelCount + pixel]
              samples.forEach(at: grid + (first + pixel) * samples.rank) { place, weight, _ in
                dx[place] += Element(weight) * arriving
              }
            }
          }
        })
    }
    if context.hasOutput(1) {
      phases.append(
        .parallel(count: shape[0] * samples.pixelCount, grain: 64) { arguments, positions in
          let dy = arguments.input(0, as: Element.self)
          let x = arguments.input(1, as: Element.self)
          let grid = arguments.input(2, as: Element.self)
          for position in positions {
            let dgrid = arguments.output(1, as: Element.self) + position * samples.rank
            dgrid.update(repeating: 0, count: samples.rank)
            let (batch, pixel) = position.quotientAndRemainder(dividingBy: samples.pixelCount)
            samples.forEach(at: grid + position * samples.rank) { place, _, slopes in
              var sum = 0.0
              for channel in 0..<samples.channels {
                let plane = batch * samples.channels + channel
                sum +=
                  Double(dy[plane * samples.pixelCount + pixel])
                  * Double(x[plane * samples.planeCount + place])
              }
              for axis in 0..<samples.rank { dgrid[axis] += Element(slopes(axis) * sum) }
            }
          }
        })
    }
    return PreparedKernel(phases: phases)
  }

  /// The elements that contribute to the samples of a grid.
  private struct Samples: Sendable {
    let sampling: GridSampling
    let channels: Int
    let extents: [Int]
    let pixelCount: Int
    var rank: Int { extents.count }
    var planeCount: Int { extents.reduce(1, *) }

    /// Calls `body` with each element's position and weight, and the weight's derivative by each
    /// coordinate of the grid.
    func forEach<Element: BinaryFloatingPoint>(
      at coordinates: UnsafePointer<Element>,
      _ body: (_ place: Int, _ weight: Double, _ slope: (Int) -> Double) -> Void
    ) {
      let width = GridSampling.tapsPerAxis
      withUnsafeTemporaryAllocation(of: GridSampling.Tap.self, capacity: rank * width) { taps in
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 2 * rank) { integers in
          // The number of taps per axis, and the current one.
          let (counts, chosen) = (integers.baseAddress!, integers.baseAddress! + rank)
          var combinations = 1
          for axis in 0..<rank {
            counts[axis] = sampling.fill(
              UnsafeMutableBufferPointer(rebasing: taps[axis * width..<(axis + 1) * width]),
              at: Double(coordinates[rank - 1 - axis]), extent: extents[axis])
            combinations *= counts[axis]
          }
          for combination in 0..<combinations {
            var (rest, place, weight, stride) = (combination, 0, 1.0, 1)
            for axis in (0..<rank).reversed() {
              chosen[axis] = rest % counts[axis]
              rest /= counts[axis]
              let tap = taps[axis * width + chosen[axis]]
              weight *= tap.weight
              place += tap.index * stride
              stride *= extents[axis]
            }
            body(place, weight) { coordinate in
              // The last axis' coordinate comes first.
              var slope = 1.0
              for axis in 0..<rank {
                let tap = taps[axis * width + chosen[axis]]
                slope *= axis == rank - 1 - coordinate ? tap.slope : tap.weight
              }
              return slope
            }
          }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let image = Tensor.floats([1, 2, 3, 4], [1, 1, 2, 2])
    return [
      OperatorExample(
        "linear",
        inputs: [.floats([1, 2], [1, 1, 1, 2]), image, .floats([0, 0, -1, -1], [1, 1, 2, 2])],
        outputs: [
          .floats([0.75, 0.25, 0.25, 0.25], [1, 1, 2, 2]), .floats([1, 2, 1, 1], [1, 1, 2, 2]),
        ]),
      OperatorExample(
        "nearest has no slope", attributes: ["mode": .string("nearest")],
        inputs: [.floats([5], [1, 1, 1, 1]), image, .floats([0.9, -0.9], [1, 1, 1, 2])],
        outputs: [.floats([0, 5, 0, 0], [1, 1, 2, 2]), .floats([0, 0], [1, 1, 1, 2])]),
    ]
  }
}
