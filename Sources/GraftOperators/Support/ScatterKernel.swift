import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// How an update is combined with the existing element.
enum ScatterReduction: String, CaseIterable {
  case none, add, mul, max, min

  init(_ attributes: AttributeReader) throws {
    let name = try attributes.choice(
      "reduction", default: "none", of: ScatterReduction.allCases.map(\.rawValue))
    self = ScatterReduction(rawValue: name) ?? .none
  }

  /// - Throws: `GraftError` if this type does not support the reduction
  func check(_ type: ElementType) throws {
    guard self == .none || Set<ElementType>.realNumbers.union([.bool]).contains(type) else {
      throw GraftError.badData("elements of type \(type) have no reduction '\(self)'")
    }
  }
}

/// Writes rows of updates to indexed positions, in the order of the updates.
///
/// Updates are `[outer, count, inner]`. Different `outer` and `inner` never write to the same
/// position, so that tasks can divide them; `count` is processed in order.
struct ScatterKernel {
  /// One offset per position `[count]`, for contiguous rows of `inner` elements, or, without
  /// `slabBytes`, one for each update.
  let offsets: IndexOffsets
  /// The index of the input with the updates.
  let updates: Int
  let outer: Int
  let count: Int
  let inner: Int
  /// The distance between the rows of two consecutive `outer`.
  var slabBytes: Int?
  let elementType: ElementType
  let reduction: ScatterReduction

  /// First runs `initialization`, which fills output 0 with the elements to update.
  func kernel(initialization: PreparedKernel.Phase, inPlaceInputs: [Int] = []) throws
    -> PreparedKernel
  {
    PreparedKernel(
      phases: [offsets.phase(), initialization, try updating()],
      scratchByteCount: offsets.byteCount, inPlaceInputs: inPlaceInputs)
  }

  private func updating() throws -> PreparedKernel.Phase {
    let width = elementType.byteWidth
    guard reduction != .none else {
      let rowStep = inner * width
      return phase { arguments, offsets, outer, part in
        let source = arguments.input(updates) + outer * count * rowStep + part.lowerBound * width
        let target = arguments.output(0)
        if let slabBytes {
          graft_movement_scatter_rows(
            target + outer * slabBytes + part.lowerBound * width, source, offsets, rowStep,
            part.count * width, count)
        } else {
          for row in 0..<count {
            graft_movement_scatter_rows(
              target, source + row * rowStep,
              offsets + (outer * count + row) * inner + part.lowerBound, width, width, part.count)
          }
        }
      }
    }
    switch elementType {
    case .float: return reducing(Float.self)
    case .double: return reducing(Double.self)
    case .float16: return reducing(Float16.self)
    case .bfloat16: return reducing(BFloat16.self)
    case .int8: return reducing(Int8.self)
    case .int16: return reducing(Int16.self)
    case .int32: return reducing(Int32.self)
    case .int64: return reducing(Int64.self)
    case .uint8: return reducing(UInt8.self)
    case .uint16: return reducing(UInt16.self)
    case .uint32: return reducing(UInt32.self)
    case .uint64: return reducing(UInt64.self)
    case .bool: return reducing(Truth.self)
    default: throw GraftError.unsupported("no kernel for element type \(elementType)")
    }
  }

  private func reducing<Element: ScatterElement>(_: Element.Type) -> PreparedKernel.Phase {
    switch reduction {
    case .add, .none: reducing(Element.self) { $0.adding($1) }
    case .mul: reducing(Element.self) { $0.multiplying($1) }
    case .max: reducing(Element.self) { $0.larger($1) }
    case .min: reducing(Element.self) { $0.smaller($1) }
    }
  }

  private func reducing<Element>(
    _: Element.Type, _ join: @escaping @Sendable (Element, Element) -> Element
  ) -> PreparedKernel.Phase {
    let width = MemoryLayout<Element>.stride
    return phase { arguments, offsets, outer, part in
      let updates = arguments.input(updates, as: Element.self)
      let target = arguments.output(0) + outer * (slabBytes ?? 0)
      for row in 0..<count {
        let position = outer * count + row
        for column in part {
          let offset =
            slabBytes == nil ? offsets[position * inner + column] : offsets[row] + column * width
          let element = (target + offset).assumingMemoryBound(to: Element.self)
          element.pointee = join(element.pointee, updates[position * inner + column])
        }
      }
    }
  }

  /// Divides `outer` and parts of `inner`.
  private func phase(
    _ body:
      @escaping @Sendable (
        _ arguments: KernelArguments, _ offsets: UnsafePointer<Int>, _ outer: Int,
        _ part: Range<Int>
      ) -> Void
  ) -> PreparedKernel.Phase {
    let (inner, outer) = (inner, outer)
    let partLength = max(64, 16384 / max(1, count))
    let partCount = max(1, (inner + partLength - 1) / partLength)
    let partBytes = max(1, count * min(inner, partLength))
    return .parallel(count: outer * partCount, grain: max(1, 16384 / partBytes)) {
      arguments, range in
      guard let scratch = arguments.scratch else { return }
      let offsets = UnsafePointer(scratch.assumingMemoryBound(to: Int.self))
      for unit in range {
        let start = unit % partCount * partLength
        body(arguments, offsets, unit / partCount, start..<min(inner, start + partLength))
      }
    }
  }
}

extension PreparedKernel.Phase {
  /// Copies input 0 to output 0, unless they are the same memory.
  static func copyingInput(byteCount: Int) -> PreparedKernel.Phase {
    .parallel(count: byteCount, grain: 1 << 16) { arguments, range in
      let (source, target) = (arguments.input(0), arguments.output(0))
      guard source != UnsafeRawPointer(target) else { return }
      (target + range.lowerBound).copyMemory(
        from: source + range.lowerBound, byteCount: range.count)
    }
  }

  /// Fills output 0 with zero bytes.
  static func zeroing(byteCount: Int) -> PreparedKernel.Phase {
    .parallel(count: byteCount, grain: 1 << 16) { arguments, range in
      (arguments.output(0) + range.lowerBound).initializeMemory(
        as: UInt8.self, repeating: 0, count: range.count)
    }
  }
}

/// What scattered elements can do. Maxima and minima keep NaN, as NumPy's do.
private protocol ScatterElement: SendableMetatype {
  func adding(_ other: Self) -> Self
  func multiplying(_ other: Self) -> Self
  func larger(_ other: Self) -> Self
  func smaller(_ other: Self) -> Self
}

extension ScatterElement where Self: FixedWidthInteger {
  func adding(_ other: Self) -> Self { self &+ other }
  func multiplying(_ other: Self) -> Self { self &* other }
  func larger(_ other: Self) -> Self { Swift.max(self, other) }
  func smaller(_ other: Self) -> Self { Swift.min(self, other) }
}

extension ScatterElement where Self: BinaryFloatingPoint {
  func adding(_ other: Self) -> Self { self + other }
  func multiplying(_ other: Self) -> Self { self * other }
  func larger(_ other: Self) -> Self { self > other || self.isNaN ? self : other }
  func smaller(_ other: Self) -> Self { self < other || self.isNaN ? self : other }
}

extension Float: ScatterElement {}
extension Double: ScatterElement {}
extension Float16: ScatterElement {}
extension Int8: ScatterElement {}
extension Int16: ScatterElement {}
extension Int32: ScatterElement {}
extension Int64: ScatterElement {}
extension UInt8: ScatterElement {}
extension UInt16: ScatterElement {}
extension UInt32: ScatterElement {}
extension UInt64: ScatterElement {}

extension BFloat16: ScatterElement {
  func adding(_ other: BFloat16) -> BFloat16 { BFloat16(float + other.float) }
  func multiplying(_ other: BFloat16) -> BFloat16 { BFloat16(float * other.float) }
  func larger(_ other: BFloat16) -> BFloat16 { BFloat16(float.larger(other.float)) }
  func smaller(_ other: BFloat16) -> BFloat16 { BFloat16(float.smaller(other.float)) }
}

/// A bool in memory: adding is "or", multiplying "and".
private struct Truth: ScatterElement {
  var byte: UInt8
  func adding(_ other: Truth) -> Truth { Truth(byte: byte | other.byte) }
  func multiplying(_ other: Truth) -> Truth { Truth(byte: byte & other.byte) }
  func larger(_ other: Truth) -> Truth { adding(other) }
  func smaller(_ other: Truth) -> Truth { multiplying(other) }
}
