import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import Testing

/// Optimizer steps are bit-identical to their rules: floats with fused multiply-add if available,
/// doubles rounded after each operation.
@Suite struct OptimizerStepTests {
  private static let count = 1003
  private static let attributes: [ByteString: Attribute] = [
    "momentum": .float(0.75), "weightDecay": .float(0.25), "epsilon": .float(0.125),
    "rho": .float(0.875), "beta1": .float(0.75), "beta2": .float(0.875),
  ]
  private static let rate: Float = 0.3

  @Test(arguments: InstructionSet.available)
  func floatsHaveTheBitsOfTheRules(_ set: InstructionSet) throws {
    try expectBits(of: Rules<Float>(fuses: set != .scalar, rate: Self.rate), .float, set)
  }

  @Test(arguments: InstructionSet.available)
  func doublesHaveTheBitsOfTheRules(_ set: InstructionSet) throws {
    try expectBits(of: Rules<Double>(fuses: false, rate: Double(Self.rate)), .double, set)
  }

  private func expectBits<Element: TensorElement & BinaryFloatingPoint>(
    of rules: Rules<Element>, _ type: ElementType, _ set: InstructionSet
  ) throws {
    func numbers(_ seed: Int, isPositive: Bool = false) throws -> Tensor {
      let numbers = try NodeTesting.numbers([Self.count], seed: seed).elements(as: Float.self)
      return try Tensor(
        doubles: numbers.map { Double(isPositive ? abs($0) : $0) }, as: type, shape: [Self.count])
    }
    let tensors = try (
      p: numbers(1), g: numbers(2), a: numbers(3, isPositive: true),
      b: numbers(4, isPositive: true),
      c: numbers(5)
    )
    let rate = try Tensor(scalar: Self.rate)
    func expect(
      _ name: String, _ inputs: [Tensor?], _ extra: [ByteString: Attribute] = [:],
      _ rule: (_ p: Element, _ g: Element, _ states: [Element]) -> [Element]
    ) throws {
      // A rule's state has the type of the parameter, and learning rate and step have not.
      let states = inputs[2...].compactMap { $0 }.filter { $0.shape == [Self.count] }
      let node = Node(
        operatorType: name, domain: "graft",
        inputs: inputs.indices.map { inputs[$0] == nil ? nil : ValueID($0) },
        outputs: (0...states.count).map { ValueID(100 + $0) },
        attributes: Self.attributes.merging(extra) { $1 })
      let wanted = [true] + inputs[2...].filter { $0?.shape != [] }.map { $0 != nil }
      let outputs = try evaluate(
        OperatorCatalog.make(node), inputs: inputs.map { $0.map { .tensor($0) } },
        wantedOutputs: wanted, instructionSet: set
      ).compactMap { try $0?.tensor.elements(as: Element.self) }
      let p = try tensors.p.elements(as: Element.self), g = try tensors.g.elements(as: Element.self)
      let old = try states.map { try $0.elements(as: Element.self) }
      try #require(outputs.count == states.count + 1)
      for index in 0..<Self.count {
        #expect(
          outputs.map { $0[index] } == rule(p[index], g[index], old.map { $0[index] }),
          "\(name), element \(index)")
      }
    }
    let (p, g, a, b, c) = tensors
    try expect("SGDMomentumUpdate", [p, g, c, rate]) { rules.descent($0, $1, $2[0]) }
    try expect("SGDMomentumUpdate", [p, g, c, rate], ["nesterov": .int(1)]) {
      rules.descent($0, $1, $2[0], looksAhead: true)
    }
    try expect("AdaGradUpdate", [p, g, a, rate]) { rules.adaGrad($0, $1, $2[0]) }
    try expect("RMSpropUpdate", [p, g, a, rate], ["momentum": .float(0)]) {
      rules.rmsProp($0, $1, $2[0], velocity: nil, average: nil)
    }
    try expect("RMSpropUpdate", [p, g, a, rate, b, c]) {
      rules.rmsProp($0, $1, $2[0], velocity: $2[1], average: $2[2])
    }
    // The corrections of step 1 divide by what this step adds: 1 - 0.75 and the root of 1 - 0.875.
    let size = Double(Self.rate) * 0.125.squareRoot() / 0.25
    try expect("AdamUpdate", [p, g, c, a, rate, try Tensor(scalar: Int64(1))]) {
      rules.adam($0, $1, $2[0], $2[1], size: Element(size))
    }
  }
}

/// The rules with the settings above, which floats hold exactly.
private struct Rules<Element: BinaryFloatingPoint> {
  let fuses: Bool
  let rate: Element

  private var decay: Element { Element(Double(rate) * 0.25) }

  /// a · b + c
  private func sum(_ a: Element, _ b: Element, _ c: Element) -> Element {
    fuses ? c.addingProduct(a, b) : a * b + c
  }

  func descent(
    _ p: Element, _ g: Element, _ velocity: Element, looksAhead: Bool = false
  ) -> [Element] {
    let velocity = sum(0.75, velocity, -(rate * g))
    let move = looksAhead ? sum(0.75, velocity, -(rate * g)) : velocity
    return [p + sum(-decay, p, move), velocity]
  }

  func adaGrad(_ p: Element, _ g: Element, _ accumulator: Element) -> [Element] {
    let accumulator = sum(g, g, accumulator)
    return [p - sum(decay, p, rate * g / (accumulator + 0.125).squareRoot()), accumulator]
  }

  func rmsProp(
    _ p: Element, _ g: Element, _ square: Element, velocity: Element?, average: Element?
  ) -> [Element] {
    let square = sum(0.875, square, 0.125 * (g * g))
    let average = average.map { sum(0.875, $0, 0.125 * g) }
    let variance = average.map { max(0, sum(-$0, $0, square)) } ?? square
    let step = rate * g / (variance + 0.125).squareRoot()
    let velocity = velocity.map { sum(0.75, $0, step) }
    return [p - sum(decay, p, velocity ?? step), square] + [velocity, average].compactMap { $0 }
  }

  func adam(
    _ p: Element, _ g: Element, _ mean: Element, _ square: Element, size: Element
  ) -> [Element] {
    let mean = sum(g - mean, 0.25, mean)
    let square = sum(sum(g, g, -square), 0.125, square)
    return [p - sum(decay, p, mean * size / (square.squareRoot() + 0.125)), mean, square]
  }
}
