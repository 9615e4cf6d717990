import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension Set<ElementType> {
  /// The numbers that operators of ai.onnx.ml take.
  static let features: Self = [.float, .double, .int32, .int64]
}

extension InferenceContext {
  /// The rows and the features of input 0, `[N, F]`, or `[F]` for one row.
  ///
  /// - Throws: `GraftError` for other ranks
  func featureRows() throws -> (count: Dimension, features: Dimension) {
    let shape = try shape(0)
    switch shape.count {
    case 1: return (1, shape[0])
    case 2: return (shape[0], shape[1])
    default:
      throw GraftError.badData(
        "input 0 has shape \(shape); expected rows of features, [N, F] or [F]")
    }
  }
}

/// The rows of input 0, `[N, F]` or `[F]`, as doubles.
struct FeatureRows: Sendable {
  let count: Int
  let featureCount: Int
  private let elementType: ElementType

  init(_ input: PrepareContext.Description) throws {
    guard let last = input.shape.last, input.rank <= 2 else {
      throw GraftError.badData("input 0 has shape \(input.shape); expected rows of features")
    }
    count = input.rank == 1 ? 1 : input.shape[0]
    featureCount = last
    elementType = input.elementType
  }

  /// The memory of a row as doubles.
  var byteCount: Int { featureCount * MemoryLayout<Double>.stride }

  /// A row as doubles, in `scratch` if it is of another type.
  func row(
    _ index: Int, _ arguments: KernelArguments, scratch: UnsafeMutablePointer<Double>
  ) throws -> UnsafePointer<Double> {
    try rows(index..<index + 1, arguments, scratch: scratch)
  }

  /// Rows as doubles, in `scratch` if they are of another type.
  func rows(
    _ range: Range<Int>, _ arguments: KernelArguments, scratch: UnsafeMutablePointer<Double>
  ) throws -> UnsafePointer<Double> {
    let place = arguments.input(0) + range.lowerBound * featureCount * elementType.byteWidth
    if elementType == .double { return place.assumingMemoryBound(to: Double.self) }
    try ElementConversion.convert(
      place, elementType, to: scratch, .double, count: range.count * featureCount)
    return UnsafePointer(scratch)
  }
}

extension Dimension {
  /// - Throws: `GraftError` if this is known to be another number of features than `expected`
  func requireFeatures(_ expected: Int) throws {
    guard let known, known != expected else { return }
    throw GraftError.badData("input 0 has \(known) features; the node is for \(expected)")
  }
}
