import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// FlexAttention as it is imported, against its formula in double.
@Suite struct FlexAttentionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var type = ElementType.float
    var precision: ElementType?
    var heads = (queries: 4, keys: 2)
    var scale: Float?
    /// Extents that the model tells.
    var known: Set<Int> = [0, 1, 2, 3]
    var hasBodies = true
    var operators: Set<String> = []
    var tolerance = 1e-5
    var testDescription: String {
      "\(type) \(String(describing: precision)) \(heads) \(String(describing: scale)) "
        + "\(known.sorted()) \(hasBodies)"
    }
  }

  static let cases = [
    Case(operators: ["Softmax", "Reshape"]),
    Case(heads: (3, 3), operators: ["Softmax"]),
    Case(known: [], operators: ["Softmax", "Reshape", "Pow"]),
    Case(known: [1], operators: ["Softmax", "Reshape", "Pow"]),
    Case(heads: (3, 3), known: [1], operators: ["Softmax", "Pow"]),
    Case(scale: -0.75), Case(scale: 0),
    Case(precision: .double, operators: ["Cast", "Softmax"]),
    Case(precision: .float16, operators: ["Cast", "Softmax"], tolerance: 2e-2),
    Case(type: .double, tolerance: 1e-12), Case(type: .double, known: [], tolerance: 1e-12),
    Case(type: .double, precision: .float, operators: ["Cast"]),
    Case(type: .float16, operators: ["Cast"], tolerance: 1e-2),
    Case(type: .float16, known: [], tolerance: 1e-2),
    Case(type: .bfloat16, tolerance: 8e-2),
    Case(hasBodies: false, operators: ["Attention"]),
    Case(known: [], hasBodies: false, operators: ["Attention"]),
    Case(scale: 0.25, hasBodies: false, operators: ["Attention"]),
    Case(type: .float16, hasBodies: false, operators: ["Attention"], tolerance: 1e-2),
    Case(type: .double, hasBodies: false, operators: ["Attention"], tolerance: 1e-12),
    Case(precision: .double, hasBodies: false, operators: ["Softmax"]),
  ]

  private static let (batch, length, keyLength, size, valueSize) = (2, 3, 5, 4, 2)

  /// score_mod doubles the scores and adds a captured row; prob_mod squares.
  private static func graph(_ attention: Case) throws -> Graph {
    let precision =
      attention.precision
      ?? ([.float16, .bfloat16].contains(attention.type) ? .float : attention.type)
    var graph = Graph()
    func input(_ name: String, _ shape: [Int]) -> ValueID {
      graph.addInput(
        name: name,
        type: TensorType(
          attention.type,
          shape.enumerated().map { axis, extent in
            attention.known.contains(axis) ? .known(extent) : .symbol(ByteString("\(name)\(axis)"))
          }))
    }
    let q = input("q", [batch, attention.heads.queries, length, size])
    let k = input("k", [batch, attention.heads.keys, keyLength, size])
    let v = input("v", [batch, attention.heads.keys, keyLength, valueSize])
    let row = graph.addInput(name: "row", type: TensorType(precision, [.known(keyLength)]))
    var attributes: [ByteString: Attribute] = [:]
    if let scale = attention.scale { attributes["scale"] = .float(scale) }
    if let precision = attention.precision {
      attributes["softmax_precision"] = .int(Int(precision.rawValue))
    }
    if attention.hasBodies {
      let type = TensorType(precision, nil)
      attributes["score_mod"] = .graph(
        .body("score_mod", [("scores", type)]) { body, ids in
          let captured = body.captured(row, TensorType(precision, [.known(keyLength)]))
          return [body.addNode("Add", [body.addNode("Add", [ids[0], ids[0]]), captured])]
        })
      attributes["prob_mod"] = .graph(
        .body("prob_mod", [("weights", type)]) { body, ids in
          [body.addNode("Mul", [ids[0], ids[0]])]
        })
    }
    var upgrader = NodeUpgrader(graph: graph)
    let y = upgrader.graph.addValue(name: "y")
    try upgrader.append(
      Node(
        operatorType: "FlexAttention", domain: OperatorDomain.preview, inputs: [q, k, v],
        outputs: [y], attributes: attributes), opset: 1)
    upgrader.graph.outputs = [y]
    return upgrader.graph
  }

  private static func expected(
    _ attention: Case, _ q: [Double], _ k: [Double], _ v: [Double], _ row: [Double]
  ) -> [Double] {
    let (heads, keyHeads) = attention.heads
    let scale = attention.scale.map(Double.init) ?? 1 / Double(size).squareRoot()
    var result: [Double] = []
    for sample in 0..<batch {
      for head in 0..<heads {
        let shared = sample * keyHeads + head / (heads / keyHeads)
        for place in 0..<length {
          let query = ((sample * heads + head) * length + place) * size
          var scores = (0..<keyLength).map { other in
            (0..<size).reduce(0) {
              $0 + q[query + $1] * k[(shared * keyLength + other) * size + $1]
            } * scale
          }
          if attention.hasBodies { scores = zip(scores, row).map { 2 * $0 + $1 } }
          let largest = scores.max() ?? 0
          let powers = scores.map { exp($0 - largest) }
          let sum = powers.reduce(0, +)
          var weights = powers.map { $0 / sum }
          if attention.hasBodies { weights = weights.map { $0 * $0 } }
          for column in 0..<valueSize {
            result.append(
              (0..<keyLength).reduce(0) {
                $0 + weights[$1] * v[(shared * keyLength + $1) * valueSize + column]
              })
          }
        }
      }
    }
    return result
  }

  @Test(arguments: cases) func followsItsFormula(_ attention: Case) throws {
    let graph = try Self.graph(attention)
    let operators = Set(graph.nodes.map(\.operatorType))
    #expect(operators.isSuperset(of: attention.operators), "\(operators)")
    if attention.operators == ["Attention"] { #expect(operators == ["Attention"]) }
    var generator = Generator(seed: 11)
    let shapes: [Shape] = [
      [Self.batch, attention.heads.queries, Self.length, Self.size],
      [Self.batch, attention.heads.keys, Self.keyLength, Self.size],
      [Self.batch, attention.heads.keys, Self.keyLength, Self.valueSize], [Self.keyLength],
    ]
    let inputs = try zip(shapes, graph.inputs).map { shape, id in
      try Tensor(
        doubles: generator.floats(shape.elementCount).map(Double.init),
        as: try #require(graph[id].type?.tensor?.elementType), shape: shape)
    }
    let numbers = try inputs.map { try $0.doubles() }
    let expected = Self.expected(attention, numbers[0], numbers[1], numbers[2], numbers[3])
    for optimizes in [true, false] {
      var options = Executable.Options()
      options.optimizes = optimizes
      let result = try Session(Executable(graph, options: options)).run(inputs)[0]
      #expect(result.elementType == attention.type)
      #expect(
        result.shape
          == [Self.batch, attention.heads.queries, Self.length, Self.valueSize])
      for (value, number) in zip(try result.doubles(), expected) {
        #expect(abs(value - number) <= attention.tolerance * max(1, abs(number)))
      }
    }
  }

  private static func expectError(
    _ part: String, _ types: [TensorType],
    _ attributes: [ByteString: Attribute] = [:]
  ) {
    TestSupport.expectError(.badData, part) {
      var graph = Graph()
      let inputs = types.enumerated().map { graph.addInput(name: "\($0)", type: $1) }
      var upgrader = NodeUpgrader(graph: graph)
      let y = upgrader.graph.addValue(name: "y")
      try upgrader.append(
        Node(
          operatorType: "FlexAttention", domain: OperatorDomain.preview, inputs: inputs,
          outputs: [y], attributes: attributes), opset: 1)
    }
  }

  @Test func invalidFormsAreRefused() {
    let q = TensorType(.float, [1, 4, 3, 2])
    let k = TensorType(.float, [1, 2, 5, 2])
    Self.expectError("expected rank 4", [q, TensorType(.float, [2, 5, 2]), k])
    Self.expectError("expected a floating-point type", [TensorType(.int32, [1, 4, 3, 2]), k, k])
    Self.expectError("input 2 is double", [q, k, TensorType(.double, [1, 2, 5, 2])])
    Self.expectError("batches of Q and K differ", [q, TensorType(.float, [3, 2, 5, 2]), k])
    Self.expectError("batches of Q and V differ", [q, k, TensorType(.float, [3, 2, 5, 2])])
    Self.expectError("heads of K and V differ", [q, k, TensorType(.float, [1, 4, 5, 2])])
    Self.expectError("lengths of K and V differ", [q, k, TensorType(.float, [1, 2, 6, 2])])
    Self.expectError("head sizes of Q and K differ", [q, TensorType(.float, [1, 2, 5, 3]), k])
    Self.expectError(
      "are not a multiple of", [TensorType(.float, [1, 3, 3, 2]), k, k])
    let none = TensorType(.float, [1, 0, 5, 2])
    Self.expectError("are not a multiple of", [q, none, none])
    Self.expectError(
      "expected a floating-point type", [q, k, k], ["softmax_precision": .int(7)])
    Self.expectError(
      "a graph with 0 inputs and 1 outputs", [q, k, k],
      [
        "score_mod": .graph(.body("none", []) { body, _ in [try! body.scalar(Float(1))] })
      ])
    Self.expectError(
      "attribute 'prob_mod' is of kind int", [q, k, k], ["prob_mod": .int(1)])
  }
}
