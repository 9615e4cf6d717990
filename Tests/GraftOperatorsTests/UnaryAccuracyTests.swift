import Foundation
import GraftOperators
import Testing

/// Compares the float kernels of every instruction set with double arithmetic.
@Suite struct UnaryAccuracyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let exact: @Sendable (Double) -> Double
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "Erf", exact: { erf($0) }),
    Case(name: "Exp", exact: { exp($0) }),
    Case(name: "Log", exact: { log($0) }),
    Case(name: "Sigmoid", exact: { 1 / (1 + exp(-$0)) }),
    Case(name: "Softplus", exact: { max($0, 0) + log1p(exp(-abs($0))) }),
    Case(name: "Tanh", exact: { tanh($0) }),
  ]

  static let instructionSets = InstructionSet.allCases.filter { $0 <= .detected }

  /// Floats of all signs and magnitudes but those near the denormal ones, which kernels flush to
  /// zero.
  static let sweep: [Float] = stride(from: UInt32(0), to: .max, by: 40_009)
    .map { Float(bitPattern: $0) }.filter { $0.isFinite && $0.magnitude > 0x1p-120 }

  @Test(arguments: cases, instructionSets)
  func isWithinTwoUnitsInTheLastPlace(_ function: Case, _ set: InstructionSet) throws {
    let result = try apply(function.name, Self.sweep, set)
    var worst = (error: 0.0, x: Float(0))
    for (x, y) in zip(Self.sweep, result) {
      let expected = function.exact(Double(x))
      if expected.isNaN {
        #expect(y.isNaN, "\(function.name)(\(x)) is \(y)")
        continue
      }
      let rounded = Float(expected)
      if rounded.isInfinite || y.isInfinite || y.isNaN {
        #expect(y == rounded, "\(function.name)(\(x)) is \(y), expected \(rounded)")
        continue
      }
      // Kernels flush denormal results to zero.
      let unit = Double(max(rounded.magnitude, .leastNormalMagnitude).ulp)
      if rounded.magnitude < .leastNormalMagnitude && y == 0 { continue }
      let error = abs(Double(y) - expected) / unit
      if error > worst.error { worst = (error, x) }
    }
    #expect(worst.error <= 2, "\(function.name)(\(worst.x)) is \(worst.error) ULP off")
  }

  /// Operators that map each element by itself; the others of one input look along an axis.
  static let unaryNames = OperatorCatalog.operators.map { $0.schema }
    .filter { $0.inputs == 1...1 && $0.domain.isEmpty }.map { $0.name }
    .filter { !$0.hasSuffix("Softmax") && !$0.hasSuffix("Normalization") && $0 != "Hardmax" }

  /// Tasks cut tensors anywhere, so an element's bits must not depend on what stands around it.
  @Test(arguments: unaryNames)
  func bitsDoNotDependOnThePosition(_ name: String) throws {
    guard !["Cast", "Identity", "IsInf", "IsNaN", "Not"].contains(name) else { return }
    let values = (0..<67).map { Float($0) * 0.31 - 9.7 }
    for set in Self.instructionSets {
      guard let whole = try? apply(name, values, set) else { continue }
      for start in [1, 3, 16, 33, 66] {
        let part = try apply(name, Array(values[start...]), set)
        #expect(
          part.map(\.bitPattern) == whole[start...].map(\.bitPattern), "\(name) from \(start)")
      }
    }
  }

  private func apply(_ name: String, _ x: [Float], _ set: InstructionSet) throws -> [Float] {
    let operation = try OperatorCatalog.make(
      Node(operatorType: name, inputs: [ValueID(0)], outputs: [ValueID(1)]))
    let input = try Tensor(x, shape: [x.count])
    let output = try evaluate(
      operation, inputs: [.tensor(input)], wantedOutputs: [true], instructionSet: set)[0]
    return try #require(try output?.tensor).elements()
  }
}
