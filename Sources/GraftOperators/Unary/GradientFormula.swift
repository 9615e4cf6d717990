import GraftGraph

/// The gradient of a unary operator's input, written as a formula: `.dy * .y * (1 - .y)`.
indirect enum GradientFormula: Hashable {
  case x
  case y
  /// The gradient of the output.
  case dy
  case number(Double)
  case apply(_ operatorType: String, [GradientFormula])

  static func + (left: Self, right: Self) -> Self { .apply("Add", [left, right]) }
  static func - (left: Self, right: Self) -> Self { .apply("Sub", [left, right]) }
  static func * (left: Self, right: Self) -> Self { .apply("Mul", [left, right]) }
  static func / (left: Self, right: Self) -> Self { .apply("Div", [left, right]) }
  static prefix func - (formula: Self) -> Self { .apply("Neg", [formula]) }
  static func < (left: Self, right: Self) -> Self { .apply("Less", [left, right]) }
  static func > (left: Self, right: Self) -> Self { .apply("Greater", [left, right]) }
  static func isEqual(_ left: Self, _ right: Self) -> Self { .apply("Equal", [left, right]) }

  static func abs(_ formula: Self) -> Self { .apply("Abs", [formula]) }
  static func cos(_ formula: Self) -> Self { .apply("Cos", [formula]) }
  static func cosh(_ formula: Self) -> Self { .apply("Cosh", [formula]) }
  static func erf(_ formula: Self) -> Self { .apply("Erf", [formula]) }
  static func exp(_ formula: Self) -> Self { .apply("Exp", [formula]) }
  static func sigmoid(_ formula: Self) -> Self { .apply("Sigmoid", [formula]) }
  static func sign(_ formula: Self) -> Self { .apply("Sign", [formula]) }
  static func sin(_ formula: Self) -> Self { .apply("Sin", [formula]) }
  static func sinh(_ formula: Self) -> Self { .apply("Sinh", [formula]) }
  static func softplus(_ formula: Self) -> Self { .apply("Softplus", [formula]) }
  static func sqrt(_ formula: Self) -> Self { .apply("Sqrt", [formula]) }
  static func tanh(_ formula: Self) -> Self { .apply("Tanh", [formula]) }

  /// `yes` where `condition` is true, else `no`.
  static func select(_ condition: Self, _ yes: Self, _ no: Self) -> Self {
    .apply("Where", [condition, yes, no])
  }
}

extension GradientFormula: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  init(floatLiteral value: Double) { self = .number(value) }
  init(integerLiteral value: Int) { self = .number(Double(value)) }
}

extension GradientBuilder {
  /// Appends the nodes of `formula`, which gives the gradient of input 0.
  mutating func setGradient(_ formula: GradientFormula) throws {
    var values: [GradientFormula: ValueID] = [:]
    setInputGradient(0, try value(of: formula, known: &values))
  }

  private mutating func value(
    of formula: GradientFormula, known values: inout [GradientFormula: ValueID]
  ) throws -> ValueID {
    if let value = values[formula] { return value }
    let value: ValueID
    switch formula {
    case .x: value = try input(0)
    case .y: value = try output(0)
    case .dy: value = try outputGradient()
    case .number(let number): value = try addScalar(number, like: try input(0))
    case .apply(let operatorType, let operands):
      var inputs: [ValueID?] = []
      for operand in operands { inputs.append(try self.value(of: operand, known: &values)) }
      value = add(operatorType, inputs)
    }
    values[formula] = value
    return value
  }
}
