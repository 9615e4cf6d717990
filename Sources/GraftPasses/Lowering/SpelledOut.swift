import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Finds operators behind the formulas that exporters write for them at opsets that lack them.
///
/// Values inside of a formula have no other readers.
struct SpelledOut {
  private let graph: Graph
  private let producers: [ValueID: Int]
  private let counts: [ValueID: Int]

  init(_ graph: Graph, _ producers: [ValueID: Int], _ counts: [ValueID: Int]) {
    self.graph = graph
    self.producers = producers
    self.counts = counts
  }

  /// The node that computes a value, which has so many readers.
  private func producer(_ id: ValueID?, readers: Int = 1) -> Node? {
    guard let id, counts[id] == readers, let index = producers[id] else { return nil }
    return graph.nodes[index]
  }

  /// A constant of one element that leaves the shape of `value` as it is.
  private func scalar(_ id: ValueID?, like value: ValueID?) throws -> Double? {
    guard let constant = graph.constant(id), constant.elementCount == 1,
      constant.rank <= graph.rank(value) ?? 0
    else { return nil }
    return try constant.doubles()[0]
  }

  /// Whether a constant of the file is this number, in the type of `value`.
  private func isNear(_ number: Double, _ expected: Double, like value: ValueID) -> Bool {
    let tolerance =
      switch graph.elementType(value) {
      case .double: 1e-12
      case .float: 2e-6
      case .float16: 2e-3
      default: 1e-2
      }
    return abs(number - expected) <= tolerance * abs(expected)
  }

  // MARK: Products

  /// A constant and the values that are multiplied by it.
  private struct Product {
    var constant = 1.0
    var factors: [ValueID] = []

    static func * (left: Product, right: Product) -> Product {
      Product(
        constant: left.constant * right.constant, factors: left.factors + right.factors)
    }
  }

  /// The factors of a value, which may be a product of products, quotients and powers.
  private func product(_ id: ValueID, depth: Int = 0) throws -> Product {
    guard depth < 4, depth == 0 || counts[id] == 1, let index = producers[id] else {
      return Product(factors: [id])
    }
    let node = graph.nodes[index]
    guard node.inputs.count == 2, let left = node.inputs[0], let right = node.inputs[1] else {
      return Product(factors: [id])
    }
    if node.is(Mul.self) {
      if let number = try scalar(right, like: left) {
        return try Product(constant: number) * product(left, depth: depth + 1)
      }
      if let number = try scalar(left, like: right) {
        return try Product(constant: number) * product(right, depth: depth + 1)
      }
      return try product(left, depth: depth + 1) * product(right, depth: depth + 1)
    }
    if node.is(Div.self), let number = try scalar(right, like: left) {
      return try Product(constant: 1 / number) * product(left, depth: depth + 1)
    }
    if node.is(Pow.self), let number = try scalar(right, like: left), number == 2 || number == 3 {
      let base = try product(left, depth: depth + 1)
      return number == 2 ? base * base : base * base * base
    }
    return Product(factors: [id])
  }

  /// The other operand of an Add of 1.
  private func plusOne(_ id: ValueID?) throws -> ValueID? {
    guard let node = producer(id), node.is(Add.self), node.inputs.count == 2 else { return nil }
    for (value, one) in [(0, 1), (1, 0)] {
      guard try scalar(node.inputs[one], like: node.inputs[value]) == 1 else { continue }
      return node.inputs[value]
    }
    return nil
  }

  // MARK: Gelu

  /// x · (1 + erf(x / √2)) / 2, or x · (1 + tanh(√(2 / π) (x + 0.044715 x³))) / 2.
  func gelu(_ node: Node) throws -> Node? {
    guard node.is(Mul.self) || node.is(Div.self), let output = node.outputs[0],
      graph.elementType(output).map(Set.floatingPoint.contains) == true
    else { return nil }
    let whole = try product(output)
    guard whole.factors.count == 2, isNear(whole.constant, 0.5, like: output) else { return nil }
    for (x, gate) in [(0, 1), (1, 0)] {
      let x = whole.factors[x]
      guard let inner = producer(try plusOne(whole.factors[gate])), inner.inputs.count == 1,
        let argument = inner.inputs[0], counts[argument] == 1
      else { continue }
      let attributes: [ByteString: Attribute]
      if inner.is(Erf.self) {
        let quotient = try product(argument)
        guard quotient.factors == [x], isNear(quotient.constant, 0.5.squareRoot(), like: x) else {
          continue
        }
        attributes = [:]
      } else if inner.is(Tanh.self), try isTanhArgument(argument, of: x) {
        attributes = ["approximate": .string("tanh")]
      } else {
        continue
      }
      return Node(
        name: node.name, operatorType: "Gelu", inputs: [x], outputs: [output],
        attributes: attributes)
    }
    return nil
  }

  /// Whether a value is √(2 / π) (x + 0.044715 x³), or √(2 / π) x (1 + 0.044715 x²).
  private func isTanhArgument(_ value: ValueID, of x: ValueID) throws -> Bool {
    let whole = try product(value)
    guard isNear(whole.constant, (2 / Double.pi).squareRoot(), like: x) else { return false }
    func isPower(_ value: ValueID, _ exponent: Int) throws -> Bool {
      let power = try product(value, depth: 1)
      return isNear(power.constant, 0.044715, like: x)
        && power.factors == [ValueID](repeating: x, count: exponent)
    }
    if whole.factors.count == 1, let sum = producer(whole.factors[0]), sum.is(Add.self),
      sum.inputs.count == 2, let left = sum.inputs[0], let right = sum.inputs[1]
    {
      return try left == x && isPower(right, 3) || right == x && isPower(left, 3)
    }
    guard whole.factors.count == 2, let place = whole.factors.firstIndex(of: x),
      let power = try plusOne(whole.factors[1 - place])
    else { return false }
    return try isPower(power, 2)
  }

  // MARK: LayerNormalization

  /// (x - mean) / √(variance + ε) · scale + bias, over the last axis.
  func layerNormalization(_ node: Node) throws -> Node? {
    guard node.is(Add.self), node.inputs.count == 2 else { return nil }
    for (scaled, bias) in [(0, 1), (1, 0)] {
      guard let product = producer(node.inputs[scaled]), product.is(Mul.self),
        product.inputs.count == 2
      else { continue }
      for (normal, scale) in [(0, 1), (1, 0)] {
        guard let quotient = producer(product.inputs[normal]), quotient.is(Div.self),
          let (x, epsilon) = try normalized(quotient),
          let width = graph[x].type?.tensor?.shape?.last?.known
        else { continue }
        let parameters = [product.inputs[scale], node.inputs[bias]]
        guard parameters.allSatisfy({ graph.constant($0)?.shape == [width] }) else { continue }
        return Node(
          name: node.name, operatorType: "LayerNormalization", inputs: [x] + parameters,
          outputs: node.outputs, attributes: ["axis": .int(-1), "epsilon": .float(epsilon)])
      }
    }
    return nil
  }

  /// The x and ε of (x - mean) / √(mean of (x - mean)² + ε).
  private func normalized(_ quotient: Node) throws -> (ValueID, Float)? {
    guard let centered = quotient.inputs[0], let index = producers[centered],
      graph.nodes[index].is(Sub.self), let x = graph.nodes[index].inputs[0],
      graph.elementType(x).map(Set.floatingPoint.contains) == true,
      let mean = producer(graph.nodes[index].inputs[1]), try isMean(mean, of: x),
      let root = producer(quotient.inputs[1]), root.is(Sqrt.self),
      let sum = producer(root.inputs[0]),
      let (epsilon, isPower) = try meanSquare(sum, of: centered),
      counts[centered] == (isPower ? 2 : 3)
    else { return nil }
    return (x, Float(epsilon))
  }

  /// The ε of a sum of the mean of x² and ε, and whether Pow computes the square.
  private func meanSquare(
    _ sum: Node, of x: ValueID
  ) throws -> (epsilon: Double, isPower: Bool)? {
    guard sum.is(Add.self), sum.inputs.count == 2 else { return nil }
    for (variance, epsilon) in [(0, 1), (1, 0)] {
      guard let variance = producer(sum.inputs[variance]), let squares = variance.inputs[0],
        let epsilon = try scalar(sum.inputs[epsilon], like: squares), epsilon >= 0,
        try isMean(variance, of: squares), let square = producer(squares)
      else { continue }
      if square.is(Pow.self) {
        guard square.inputs[0] == x, try scalar(square.inputs[1], like: x) == 2 else { continue }
        return (epsilon, true)
      }
      if square.is(Mul.self), square.inputs == [x, x] { return (epsilon, false) }
    }
    return nil
  }

  /// Whether a node takes the mean over the last axis, which stays.
  private func isMean(_ node: Node, of value: ValueID) throws -> Bool {
    guard node.is(ReduceMean.self), node.inputs[0] == value, let rank = graph.rank(value),
      node.inputs.count == 2, let axes = try graph.constant(node.inputs[1])?.integers(),
      axes == [-1] || axes == [rank - 1]
    else { return false }
    return try AttributeReader(node.attributes).int("keepdims", default: 1) == 1
  }

  // MARK: RMSNormalization

  /// x / √(mean of x² + ε) · scale, over the last axis. Narrow types may be computed in float,
  /// between two Casts.
  func rmsNormalization(_ node: Node) throws -> Node? {
    guard node.is(Mul.self), node.inputs.count == 2 else { return nil }
    for (normal, scale) in [(0, 1), (1, 0)] {
      guard let weights = graph.constant(node.inputs[scale]), weights.rank == 1,
        var value = node.inputs[normal]
      else { continue }
      let narrowing = producer(value).flatMap { $0.is(Cast.self) ? $0 : nil }
      if let narrowing, let input = narrowing.inputs[0] { value = input }
      guard let product = producer(value), let (wide, epsilon) = try rootMeanSquare(product),
        graph.elementType(wide) != .double || Double(Float(epsilon)) == epsilon
      else { continue }
      var x = wide
      if narrowing != nil {
        guard graph.elementType(wide) == .float, let index = producers[wide],
          graph.nodes[index].is(Cast.self), let input = graph.nodes[index].inputs[0]
        else { continue }
        x = input
      }
      guard let type = graph.elementType(x), Set.floatingPoint.contains(type),
        weights.elementType == type, graph.elementType(node.outputs[0]) == type,
        graph[x].type?.tensor?.shape?.last?.known == weights.shape[0]
      else { continue }
      return Node(
        name: node.name, operatorType: "RMSNormalization", inputs: [x, node.inputs[scale]],
        outputs: node.outputs, attributes: ["axis": .int(-1), "epsilon": .float(Float(epsilon))])
    }
    return nil
  }

  /// The x and ε of x / √(mean of x² + ε).
  private func rootMeanSquare(_ node: Node) throws -> (ValueID, Double)? {
    guard node.inputs.count == 2, let left = node.inputs[0], let right = node.inputs[1] else {
      return nil
    }
    if node.is(Div.self) {
      guard let root = producer(right), root.is(Sqrt.self), let sum = producer(root.inputs[0])
      else { return nil }
      return try meanSquare(sum, of: left).map { (left, $0.epsilon) }
    }
    guard node.is(Mul.self) else { return nil }
    for (x, inverse) in [(left, right), (right, left)] {
      guard let sum = try sumUnderInverseRoot(inverse), let found = try meanSquare(sum, of: x)
      else { continue }
      return (x, found.epsilon)
    }
    return nil
  }

  /// The node that computes the s of 1 / √s.
  private func sumUnderInverseRoot(_ value: ValueID) throws -> Node? {
    guard let node = producer(value) else { return nil }
    if node.is(Pow.self), let base = node.inputs[0] {
      return try scalar(node.inputs[1], like: base) == -0.5 ? producer(base) : nil
    }
    let divisor =
      node.is(Reciprocal.self) ? node.inputs[0] : node.is(Div.self) ? node.inputs[1] : nil
    guard let root = producer(divisor), root.is(Sqrt.self),
      try node.is(Reciprocal.self) || scalar(node.inputs[0], like: divisor) == 1
    else { return nil }
    return producer(root.inputs[0])
  }
}
