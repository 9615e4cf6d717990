import CGraftKernels
import GraftExecution

/// The arithmetic of Einsum for one element type.
protocol EinsumProducts: Sendable {
  associatedtype Element: BitwiseCopyable & Sendable
  /// An accumulator.
  associatedtype Total: BitwiseCopyable
  static var empty: Total { get }
  static var one: Element { get }
  static func add(_ element: Element, to total: inout Total)
  static func addProduct(_ left: Element, _ right: Element, to total: inout Total)
  static func element(_ total: Total) -> Element

  typealias AddScaled =
    @Sendable (
      _ result: UnsafeMutablePointer<Element>, _ scale: Element, _ row: UnsafePointer<Element>,
      _ count: Int
    ) -> Void

  /// A function that adds a scaled row to another.
  static func addScaled(_ instructionSet: InstructionSet) -> AddScaled
}

/// Floats, whose single sums are accumulated in double.
enum FloatProducts: EinsumProducts {
  static var empty: Double { 0 }
  static var one: Float { 1 }

  @inline(__always)
  static func add(_ element: Float, to total: inout Double) { total += Double(element) }

  @inline(__always)
  static func addProduct(_ left: Float, _ right: Float, to total: inout Double) {
    total += Double(left) * Double(right)
  }

  @inline(__always)
  static func element(_ total: Double) -> Float { Float(total) }

  static func addScaled(_ instructionSet: InstructionSet) -> AddScaled {
    let function = ScaledAddition(table: instructionSet.kernels.pointee.binary.pointee)
    return { function.table.add_scaled($0, $1, $2, Int64($3)) }
  }

  /// Stateless functions in C.
  private struct ScaledAddition: @unchecked Sendable {
    let table: graft_binary_table
  }
}

enum DoubleProducts: EinsumProducts {
  static var empty: Double { 0 }
  static var one: Double { 1 }

  @inline(__always)
  static func add(_ element: Double, to total: inout Double) { total += element }

  @inline(__always)
  static func addProduct(_ left: Double, _ right: Double, to total: inout Double) {
    total += left * right
  }

  @inline(__always)
  static func element(_ total: Double) -> Double { total }

  static func addScaled(_ instructionSet: InstructionSet) -> AddScaled {
    { result, scale, row, count in
      for index in 0..<count { result[index] += scale * row[index] }
    }
  }
}

/// Integers, which wrap.
enum IntegerProducts: EinsumProducts {
  static var empty: Int64 { 0 }
  static var one: Int64 { 1 }

  @inline(__always)
  static func add(_ element: Int64, to total: inout Int64) { total = total &+ element }

  @inline(__always)
  static func addProduct(_ left: Int64, _ right: Int64, to total: inout Int64) {
    total = total &+ left &* right
  }

  @inline(__always)
  static func element(_ total: Int64) -> Int64 { total }

  static func addScaled(_ instructionSet: InstructionSet) -> AddScaled {
    { result, scale, row, count in
      for index in 0..<count { result[index] = result[index] &+ scale &* row[index] }
    }
  }
}
