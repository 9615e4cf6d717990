import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A window of `size` elements, a sum of cosines: w[n] = a0 - a1 cos(2πn / N) + a2 cos(4πn / N).
///
/// N is the size for a periodic window, the default, and otherwise the size minus 1. The output is
/// computed in double and cast to `output_datatype`. As in the specification's function, the one
/// element of a symmetric window of size 1 is 0 / 0.
protocol CosineWindow: Operator {
  /// a0, a1 and a2
  static var weights: (Double, Double, Double) { get }
  var form: CosineWindowForm { get }
}

struct CosineWindowForm: Sendable {
  let isPeriodic: Bool
  let elementType: ElementType

  init(_ attributes: AttributeReader) throws {
    isPeriodic = try attributes.flag("periodic", default: true)
    elementType = try attributes.elementType("output_datatype") ?? .float
    guard Set.realNumbers.contains(elementType) else {
      throw GraftError.badData("attribute 'output_datatype' is \(elementType); expected a number")
    }
  }
}

extension CosineWindow {
  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, form.elementType, [.unknown])
    try context.require(0, [.int32, .int64])
    try context.requireOneElement(0)
    let size = try context.contents(0).integers().requiredFirst("size")
    guard size >= 0 else { throw GraftError.badData("a window has \(size) elements") }
    context.setOutput(0, form.elementType, [.known(size)])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    let size = output.elementCount
    let period = form.isPeriodic ? size : size - 1
    let type = output.elementType
    let (a0, a1, a2) = Self.weights
    let blockCount = 512
    return PreparedKernel.parallel(
      count: size, grain: 2048, workerScratchByteCount: blockCount * MemoryLayout<Double>.stride
    ) { arguments, range in
      guard let scratch = arguments.workerScratch else { return }
      let block = scratch.assumingMemoryBound(to: Double.self)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: blockCount) {
        let count = min(blockCount, range.upperBound - start)
        for index in 0..<count {
          let turn = period > 0 ? Double(start + index) / Double(period) : .nan
          // In this order the middle of each window is exactly 1, also as an integer.
          let cosines = a2 * cos(4 * Double.pi * turn) - a1 * cos(2 * Double.pi * turn)
          block[index] = cosines + a0
        }
        try ElementConversion.convert(
          scratch, .double, to: arguments.output(0) + start * type.byteWidth, type, count: count)
      }
    }
  }
}
