import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Compares the float kernels of every instruction set with double arithmetic.
@Suite struct UnaryAccuracyTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    var attributes: [ByteString: Attribute] = [:]
    /// Units in the last place by which a result may differ from the correctly rounded one.
    var bound = 2
    let exact: @Sendable (Double) -> Double
    var testDescription: String { "\(name) \(attributes)" }
  }

  /// Without cancellation on either side of zero.
  private static func sigmoid(_ x: Double) -> Double {
    x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x))
  }

  static let cases = [
    Case(name: "Celu", exact: { $0 < 0 ? expm1($0) : $0 }),
    Case(name: "Elu", exact: { $0 < 0 ? expm1($0) : $0 }),
    Case(name: "Erf", exact: { erf($0) }),
    Case(name: "Exp", exact: { exp($0) }),
    Case(
      name: "Gelu", bound: 3,
      exact: { $0 == -.infinity ? 0 : $0 * erfc(-$0 * 0.5.squareRoot()) / 2 }),
    Case(
      name: "Gelu", attributes: ["approximate": .string("tanh")],
      exact: { x in
        let argument = 2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
        return x == -.infinity ? 0 : x * sigmoid(argument)
      }),
    Case(name: "Log", exact: { log($0) }),
    Case(
      name: "Mish",
      exact: { x in
        if x == -.infinity { return 0 }
        let e = exp(min(x, 40))
        return x * (e * (e + 2) / (e * (e + 2) + 2))
      }),
    Case(name: "Sigmoid", exact: { sigmoid($0) }),
    Case(name: "Softplus", exact: { max($0, 0) + log1p(exp(-abs($0))) }),
    Case(name: "Swish", exact: { $0 == -.infinity ? 0 : $0 * sigmoid($0) }),
    Case(
      name: "Swish", attributes: ["alpha": .float(1.3)],
      exact: { $0 == -.infinity ? 0 : $0 * sigmoid(Double(Float(1.3)) * $0) }),
    Case(name: "Tanh", exact: { tanh($0) }),
  ]

  static let instructionSets = InstructionSet.available

  /// Floats evenly over all bit patterns, and those at the edges of what functions tell apart.
  static let sweep: [Float] = {
    let edges: [Float] = [
      0, .infinity, .nan, .leastNormalMagnitude, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
      1, .ulpOfOne, 0.625, 0.9, 3.95, 15, 20, 87.33654, 88.72283, 88.72284, 103.97, 104, 174,
    ]
    return edges.flatMap { [$0, -$0, $0.nextUp, $0.nextDown, -$0.nextUp, -$0.nextDown] }
      + stride(from: UInt32(0), to: .max, by: 1021).map { Float(bitPattern: $0) }
  }()

  @Test(arguments: cases, instructionSets)
  func isNearTheCorrectlyRoundedResult(_ function: Case, _ set: InstructionSet) throws {
    let result = try apply(function.name, Self.sweep, set, function.attributes)
    var worst = (distance: 0, x: Float(0))
    Self.sweep.withUnsafeBufferPointer { sweep in
      result.withUnsafeBufferPointer { result in
        for index in sweep.indices {
          let (x, y) = (sweep[index], result[index])
          let expected = Float(function.exact(Double(x)))
          if expected.isNaN && y.isNaN { continue }
          let distance =
            expected.isNaN || y.isNaN ? .max : abs(Self.place(of: y) - Self.place(of: expected))
          if distance > worst.distance { worst = (distance, x) }
        }
      }
    }
    #expect(
      worst.distance <= function.bound,
      "\(function.testDescription) of \(worst.x) is \(worst.distance) ULP off")
  }

  /// Counts floats from zero.
  private static func place(of x: Float) -> Int {
    let magnitude = Int(x.magnitude.bitPattern)
    return x < 0 ? -magnitude : magnitude
  }

  /// Operators that map each element by itself.
  static let unaryNames = OperatorCatalog.operators.filter {
    $0.operandCount == 1 && $0.schema.inputs.lowerBound == 1 && $0.schema.domain.isEmpty
  }.map { $0.schema.name }

  /// Tasks cut tensors anywhere, so an element's bits must not depend on its neighbours.
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

  private func apply(
    _ name: String, _ x: [Float], _ set: InstructionSet, _ attributes: [ByteString: Attribute] = [:]
  ) throws -> [Float] {
    let operation = try OperatorCatalog.make(
      Node(
        operatorType: name, inputs: [ValueID(0)], outputs: [ValueID(1)], attributes: attributes))
    let input = try Tensor(x, shape: [x.count])
    let output = try evaluate(
      operation, inputs: [.tensor(input)], wantedOutputs: [true], instructionSet: set)[0]
    return try #require(try output?.tensor).elements()
  }
}
