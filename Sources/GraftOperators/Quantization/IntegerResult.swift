import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// What becomes of the sums of an integer product.
enum IntegerResult: Sendable {
  /// They are the results, as int32.
  case sums
  /// round(sum * scales of both operands / scale) + zero point, as bytes.
  case bytes(Requantization)
  /// sum * scales of both operands, as floats; inputs.
  case floats(leftScale: Int, rightScale: Int)

  /// What a number of a bias adds to a product of a sum and its multiplier.
  func addend(_ bias: Float, _ arguments: KernelArguments) -> Float {
    guard case .bytes(let requantization) = self else { return bias }
    return bias / requantization.scale(arguments.input(requantization.scale))
  }
}

/// The scale and the zero point of results of 8 bits, and the scales of what was multiplied.
struct Requantization: Sendable {
  /// Inputs.
  var leftScale: Int
  var rightScale: Int
  var scale: Int
  var zeroPoint: Int
  /// The type of the results, and that of the scales.
  let elementType: ElementType
  let scaleType: ElementType
  /// Further bounds of the results.
  var bounds: ClosedRange<Int32>?

  init(
    leftScale: Int, rightScale: Int, scale: Int, zeroPoint: Int, _ context: PrepareContext
  ) throws {
    self.leftScale = leftScale
    self.rightScale = rightScale
    self.scale = scale
    self.zeroPoint = zeroPoint
    elementType = try context.input(zeroPoint).elementType
    scaleType = try context.input(scale).elementType
  }

  /// Element `index` of a tensor of scales, as a float.
  func scale(_ scales: UnsafeRawPointer, _ index: Int = 0) -> Float {
    switch scaleType {
    case .float16: Float(scales.load(fromByteOffset: index * 2, as: Float16.self))
    case .bfloat16: scales.load(fromByteOffset: index * 2, as: BFloat16.self).float
    default: scales.load(fromByteOffset: index * 4, as: Float.self)
    }
  }

  /// left * right / output, with the precision of the scales.
  func multiplier(left: Float, right: Float, output: Float) -> Float {
    rounded(rounded(left * right) / output)
  }

  private func rounded(_ x: Float) -> Float {
    switch scaleType {
    case .float16: Float(Float16(x))
    case .bfloat16: BFloat16(x).float
    default: x
    }
  }

  /// The results' zero point, and the bounds of what is added to it.
  func range(
    _ arguments: KernelArguments
  ) -> (zeroPoint: Int32, lowest: Int32, highest: Int32) {
    let zeroPoint = ByteKind(elementType).integer(arguments.input(self.zeroPoint))
    var range = elementType.integerRange
    if let bounds { range = range.clamped(to: bounds) }
    return (zeroPoint, range.lowerBound - zeroPoint, range.upperBound - zeroPoint)
  }

  /// GRAFT_RESULT_…
  var code: Int32 {
    elementType == .int8 ? Int32(GRAFT_RESULT_I8) : Int32(GRAFT_RESULT_U8)
  }
}

/// What a kernel adds to, and multiplies with, the sums of each column: made when it runs.
struct ColumnParameters: Sendable {
  private let offsets: Int
  private let zeroPoints: Int
  private let multipliers: Int
  /// Of a bias of floats.
  private let addends: Int?
  /// All columns with padding.
  private let count: Int

  /// - Parameter bias: an input of int32, which is added to sums, or of floats
  init(
    count: Int, bias: Int?, scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws {
    self.count = count
    var hasAddends = false
    if let bias, context.hasInput(bias) {
      hasAddends = try context.input(bias).elementType == .float
    }
    addends = hasAddends ? try scratch.reserve(floatCount: count) : nil
    offsets = try scratch.reserve(floatCount: count)
    zeroPoints = try scratch.reserve(floatCount: count)
    multipliers = try scratch.reserve(floatCount: count)
  }

  func offsets(_ arguments: KernelArguments) -> UnsafeMutablePointer<Int32>? {
    arguments.scratch.map { ($0 + offsets).assumingMemoryBound(to: Int32.self) }
  }

  /// The zero points of weights.
  func zeroPoints(_ arguments: KernelArguments) -> UnsafeMutablePointer<Int32>? {
    arguments.scratch.map { ($0 + zeroPoints).assumingMemoryBound(to: Int32.self) }
  }

  func multipliers(_ arguments: KernelArguments) -> UnsafeMutablePointer<Float>? {
    arguments.scratch.map { ($0 + multipliers).assumingMemoryBound(to: Float.self) }
  }

  func addends(_ arguments: KernelArguments) -> UnsafeMutablePointer<Float>? {
    guard let addends else { return nil }
    return arguments.scratch.map { ($0 + addends).assumingMemoryBound(to: Float.self) }
  }

  /// Sets a column's part of a bias.
  ///
  /// - Parameters:
  ///   - place: the column, with padding before it
  ///   - input: the bias, whose number `index` it is
  func setBias(
    _ place: Int, _ arguments: KernelArguments, input: Int, _ index: Int, _ result: IntegerResult
  ) {
    if let addends = addends(arguments) {
      addends[place] = result.addend(arguments.input(input, as: Float.self)[index], arguments)
    } else {
      offsets(arguments)?[place] = arguments.input(input, as: Int32.self)[index]
    }
  }

  /// Sets everything to 0.
  func clear(_ arguments: KernelArguments) {
    addends(arguments)?.update(repeating: 0, count: count)
    offsets(arguments)?.update(repeating: 0, count: count)
    zeroPoints(arguments)?.update(repeating: 0, count: count)
    multipliers(arguments)?.update(repeating: 0, count: count)
  }
}

extension Requantization {
  /// The attribute `bounds`: the lowest and the highest result.
  static func bounds(_ attributes: AttributeReader) throws -> ClosedRange<Int32>? {
    guard let bounds = try attributes.ints("bounds") else { return nil }
    guard bounds.count == 2, bounds[0] <= bounds[1],
      bounds.allSatisfy({ (-128...255).contains($0) })
    else { throw GraftError.badData("attribute 'bounds' is \(bounds)") }
    return Int32(bounds[0])...Int32(bounds[1])
  }
}

extension PrepareContext {
  /// Whether zero points of weights may differ from those of signed bytes around 0.
  func hasZeroPoints(ofWeights index: Int?, kind: ByteKind) -> Bool {
    guard let index, hasInput(index) else { return kind.weightShift != 0 }
    guard let constant = constant(index) else { return true }
    return (0..<constant.elementCount).contains {
      kind.integer(constant.baseAddress, $0) != kind.weightShift
    }
  }
}
