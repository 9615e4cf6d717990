import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import TestSupport
import Testing

/// Attention as exporters spell it out becomes one node, and computes the same.
@Suite struct AttentionFusionTests {
  /// Builds graphs as exporters do.
  private struct Network {
    var graph = Graph(name: "attention")
    var generator = Generator(seed: 9)
    var type = ElementType.float
    /// The inputs of a run.
    var inputs: [Tensor] = []

    init(_ type: ElementType = .float) { self.type = type }

    mutating func tensor(_ shape: Shape, _ numbers: [Double]? = nil) throws -> Tensor {
      try Tensor(
        doubles: numbers ?? generator.floats(shape.elementCount).map { Double($0) * 2 }, as: type,
        shape: shape)
    }

    /// An input; extents of `symbols` are not known before the run.
    mutating func input(_ shape: Shape, _ symbols: [Int: String] = [:]) throws -> ValueID {
      inputs.append(try tensor(shape))
      return declare(shape, symbols, type)
    }

    /// An input of truth values, each true with a probability of 3/4.
    mutating func truths(_ shape: Shape) throws -> ValueID {
      let truths = generator.floats(shape.elementCount).map { $0 > -0.5 }
      inputs.append(try Tensor(truths, shape: shape))
      return declare(shape, [:], .bool)
    }

    mutating func declare(
      _ shape: Shape, _ symbols: [Int: String], _ type: ElementType
    ) -> ValueID {
      let dimensions = shape.enumerated().map { axis, extent in
        symbols[axis].map { Dimension.symbol(ByteString($0)) } ?? .known(extent)
      }
      return graph.addInput(name: "input_\(inputs.count)", type: TensorType(type, dimensions))
    }

    /// Weights, so small that the scores of narrow types are of some use.
    mutating func constant(_ shape: Shape) throws -> ValueID {
      let numbers = generator.floats(shape.elementCount).map { Double($0) / 3 }
      return graph.addConstant(try tensor(shape, numbers))
    }

    mutating func number(_ number: Double, _ shape: Shape = []) throws -> ValueID {
      graph.addConstant(
        try tensor(shape, [Double](repeating: number, count: shape.elementCount)))
    }

    mutating func integers(_ integers: [Int64], _ shape: Shape? = nil) throws -> ValueID {
      graph.addConstant(try Tensor(integers, shape: shape ?? [integers.count]))
    }

    mutating func add(
      _ type: String, _ inputs: ValueID?..., attributes: [ByteString: Attribute] = [:]
    ) -> ValueID {
      graph.addNode(type, inputs, attributes: attributes)
    }

    mutating func transpose(_ value: ValueID, _ permutation: [Int]) -> ValueID {
      add("Transpose", value, attributes: ["perm": .ints(permutation)])
    }

    mutating func reshape(_ value: ValueID, _ shape: [Int64]) throws -> ValueID {
      add("Reshape", value, try integers(shape))
    }

    mutating func softmax(_ value: ValueID, axis: Int = -1) -> ValueID {
      add("Softmax", value, attributes: ["axis": .int(axis)])
    }

    /// A projection of `[N, S, width]` to heads `[N, heads, S, size]`.
    mutating func heads(
      _ value: ValueID, width: Int, heads: Int, permutation: [Int] = [0, 2, 1, 3]
    ) throws -> ValueID {
      let product = add("MatMul", value, try constant([width, width]))
      let biased = add("Add", product, try constant([width]))
      let split = try reshape(biased, [0, 0, Int64(heads), Int64(width / heads)])
      return transpose(split, permutation)
    }

    /// The operators of the lowered graph, which computes what the plain one does.
    mutating func operatorsAfterComparing(
      _ outputs: [ValueID], tolerance: Double = 2e-5
    ) throws -> [String] {
      graph.outputs = outputs
      var plain = Executable.Options()
      plain.optimizes = false
      let expected = try Session(Executable(graph, options: plain)).run(inputs)
      let executable = try Executable(graph)
      let results = try Session(executable).run(inputs)
      for (result, expected) in zip(results, expected) {
        #expect(result.shape == expected.shape)
        #expect(result.elementType == expected.elementType)
        for (a, b) in zip(try result.doubles(), try expected.doubles()) {
          #expect(a == b || a.isNaN && b.isNaN || abs(a - b) <= tolerance * max(1, abs(b)))
        }
      }
      return executable.graph.nodes.map(\.operatorType)
    }
  }

  private static let fused = "FusedAttention"

  /// As BERT is exported: heads by Reshape and Transpose, a divided score, an added mask.
  @Test(arguments: [ElementType.float, .double, .float16, .bfloat16])
  func encoder(_ type: ElementType) throws {
    var network = Network(type)
    let x = try network.input([2, 7, 12], [0: "N", 1: "S"])
    let mask = try network.input([2, 1, 1, 7])
    let query = try network.heads(x, width: 12, heads: 3)
    let key = try network.heads(x, width: 12, heads: 3, permutation: [0, 2, 3, 1])
    let value = try network.heads(x, width: 12, heads: 3)
    var scores = network.add("MatMul", query, key)
    scores = network.add("Div", scores, try network.number(2))
    scores = network.add("Add", scores, mask)
    let weights = network.add("Dropout", network.softmax(scores))
    let context = network.transpose(network.add("MatMul", weights, value), [0, 2, 1, 3])
    let output = try network.reshape(context, [0, 0, 12])
    let tolerance = [ElementType.float: 2e-5, .double: 1e-12, .float16: 5e-3][type] ?? 5e-2
    let operators = try network.operatorsAfterComparing([output], tolerance: tolerance)
    #expect(operators.filter { $0 == Self.fused }.count == 1)
    #expect(!operators.contains("Softmax") && !operators.contains("Transpose"))
    if type == .float {
      #expect(
        operators == [
          "FusedMatMul", "Reshape", "FusedMatMul", "Reshape", "FusedMatMul", "Reshape",
          Self.fused, "Reshape",
        ])
    }
  }

  /// As PyTorch's exporters write `scaled_dot_product_attention`.
  @Test(arguments: ["none", "float", "bool", "causal", "constant"])
  func scaledDotProduct(_ mask: String) throws {
    var network = Network()
    let (query, key, value) = (
      try network.input([2, 3, 5, 8], [0: "N", 2: "S"]), try network.input([2, 3, 6, 8]),
      try network.input([2, 3, 6, 4])
    )
    let scale = try network.number(0.25.squareRoot())
    let left = network.add("Mul", query, scale)
    let right = network.add("Mul", network.transpose(key, [0, 1, 3, 2]), scale)
    var scores = network.add("MatMul", left, right)
    let (zero, hidden) = (try network.number(0), try network.number(-.infinity))
    switch mask {
    case "float": scores = network.add("Add", scores, try network.input([5, 6]))
    case "bool":
      let added = network.add("Where", try network.truths([2, 1, 5, 6]), zero, hidden)
      scores = network.add("Add", scores, added)
    case "causal":
      // Ones of the shape of the scores, and what is left of them below the diagonal.
      let rows = network.add("Shape", query, attributes: ["start": .int(2), "end": .int(3)])
      let columns = network.add("Shape", key, attributes: ["start": .int(2), "end": .int(3)])
      let shape = network.add("Concat", rows, columns, attributes: ["axis": .int(0)])
      let ones = network.add("Expand", try network.number(1, [1]), shape)
      let lower = network.add("Trilu", ones, attributes: ["upper": .int(0)])
      let added = network.add("Where", network.add("Equal", lower, zero), hidden, zero)
      scores = network.add("Add", scores, added)
    case "constant":
      let numbers = (0..<30).map { $0 % 6 > $0 / 6 ? -Double.infinity : 0 }
      let constant = network.graph.addConstant(try network.tensor([1, 1, 5, 6], numbers))
      scores = network.add("Add", constant, scores)
    default: break
    }
    var weights = network.softmax(scores)
    if mask == "bool" {
      weights = network.add("Where", network.add("IsNaN", weights), zero, weights)
    }
    let operators = try network.operatorsAfterComparing([network.add("MatMul", weights, value)])
    #expect(operators.filter { $0 == Self.fused }.count == 1)
    #expect(Set(operators).isDisjoint(with: ["Softmax", "Transpose", "Mul", "MatMul", "IsNaN"]))
  }

  /// As `nn.MultiheadAttention` is exported: the heads are part of the batch, and queries are
  /// scaled before they are divided.
  @Test func mergedHeads() throws {
    var network = Network()
    let x = try network.input([5, 2, 12], [0: "S"])
    func project(_ value: ValueID, _ network: inout Network) throws -> ValueID {
      let product = network.add("MatMul", value, try network.constant([12, 12]))
      return network.add("Add", product, try network.constant([12]))
    }
    let query = network.add("Mul", try project(x, &network), try network.number(0.5))
    func split(_ value: ValueID, _ network: inout Network) throws -> ValueID {
      network.transpose(try network.reshape(value, [-1, 6, 4]), [1, 0, 2])
    }
    let left = try split(query, &network)
    let key = try split(project(x, &network), &network)
    let value = try split(project(x, &network), &network)
    let scores = network.add("MatMul", left, network.transpose(key, [0, 2, 1]))
    let context = network.add("MatMul", network.softmax(scores, axis: 2), value)
    let output = try network.reshape(network.transpose(context, [1, 0, 2]), [-1, 2, 12])
    let operators = try network.operatorsAfterComparing([output])
    #expect(
      operators == [
        "FusedMatMul", "FusedMatMul", "Reshape", "FusedMatMul", "Reshape", "Reshape",
        Self.fused, "Reshape",
      ])
  }

  /// As timm's vision transformers are exported: one product makes queries, keys and values, which
  /// Gather, or Squeeze after Split or Slice, take apart.
  @Test(arguments: ["Gather", "Split", "Slice"])
  func partsOfOneProduct(_ taking: String) throws {
    var network = Network()
    let x = try network.input([2, 5, 12], [0: "N"])
    let product = network.add("MatMul", x, try network.constant([12, 36]))
    let biased = network.add("Add", product, try network.constant([36]))
    let split = try network.reshape(biased, [-1, 5, 3, 3, 4])
    let all = network.transpose(split, [2, 0, 3, 1, 4])
    var parts: [ValueID] = []
    let axes = try network.integers([0])
    switch taking {
    case "Gather":
      for index in [0, 1, -1] {
        parts.append(network.add(taking, all, try network.integers([Int64(index)], [])))
      }
    case "Split":
      let sizes = try network.integers([1, 1, 1])
      let pieces = network.graph.addNode(taking, [all, sizes], outputCount: 3)
      parts = pieces.map { network.add("Squeeze", $0, axes) }
    default:
      for (start, end) in [(0, 1), (-2, -1), (2, 9)] {
        let piece = network.add(
          taking, all, try network.integers([Int64(start)]), try network.integers([Int64(end)]),
          axes)
        parts.append(network.add("Squeeze", piece, axes))
      }
    }
    let key = network.transpose(parts[1], [0, 1, 3, 2])
    let left = network.add("Mul", parts[0], try network.number(0.5))
    let weights = network.softmax(network.add("MatMul", left, key))
    let context = network.transpose(network.add("MatMul", weights, parts[2]), [0, 2, 1, 3])
    let output = try network.reshape(context, [-1, 5, 12])
    let operators = try network.operatorsAfterComparing([output])
    #expect(operators == ["FusedMatMul", "Reshape", Self.fused, "Reshape"])
  }

  /// Keys that are transposed between two Reshapes, as the newer exporter of PyTorch does.
  @Test func keysTransposedBetweenReshapes() throws {
    var network = Network()
    let (query, key, value) = (
      try network.input([2, 3, 5, 8]), try network.input([2, 3, 6, 8]),
      try network.input([2, 3, 6, 8])
    )
    let merged = try network.reshape(key, [-1, 6, 8])
    let transposed = try network.reshape(network.transpose(merged, [0, 2, 1]), [2, 3, 8, 6])
    let scores = network.add("MatMul", query, transposed)
    let output = network.add("MatMul", network.softmax(scores), value)
    #expect(try network.operatorsAfterComparing([output]) == [Self.fused])
  }

  /// As GPT-2 is exported: causality selects, then a mask is added; and the other way around.
  @Test(arguments: [true, false], [-10000, -Double.infinity])
  func selectedScores(_ selectsFirst: Bool, _ fill: Double) throws {
    var network = Network()
    let (query, key, value) = (
      try network.input([2, 2, 5, 4]), try network.input([2, 2, 5, 4]),
      try network.input([2, 2, 5, 3])
    )
    let (condition, mask) = (try network.truths([5, 5]), try network.input([2, 1, 1, 5]))
    var scores = network.add("MatMul", query, network.transpose(key, [0, 1, 3, 2]))
    if !selectsFirst { scores = network.add("Add", mask, scores) }
    scores =
      selectsFirst
      ? network.add("Where", condition, scores, try network.number(fill))
      : network.add("Where", condition, try network.number(fill), scores)
    if selectsFirst { scores = network.add("Add", scores, mask) }
    let output = network.add("MatMul", network.softmax(scores), value)
    #expect(try network.operatorsAfterComparing([output]) == [Self.fused])
  }

  /// Shapes and the scale follow from shapes of values, as with dynamic axes.
  @Test func computedShapesAndScale() throws {
    var network = Network()
    let x = try network.input([2, 7, 12], [0: "N", 1: "S"])
    func split(_ network: inout Network) throws -> ValueID {
      let product = network.add("MatMul", x, try network.constant([12, 12]))
      let shape = network.add("Shape", product)
      let batch = network.add(
        "Unsqueeze", network.add("Gather", shape, try network.integers([0], [])),
        try network.integers([0]))
      let parts = [batch, try network.integers([-1]), try network.integers([3, 4])]
      let target = network.graph.addNode("Concat", parts, attributes: ["axis": .int(0)])
      return network.transpose(network.add("Reshape", product, target), [0, 2, 1, 3])
    }
    let (query, key, value) = (try split(&network), try split(&network), try split(&network))
    let size = network.add(
      "Slice", network.add("Shape", query), try network.integers([-1]),
      try network.integers([.max]))
    let float = network.add(
      "Cast", size, attributes: ["to": .int(Int(ElementType.float.rawValue))])
    let scale = network.add("Sqrt", network.add("Sqrt", float))
    let left = network.add("Div", query, scale)
    let right = network.add("Div", network.transpose(key, [0, 1, 3, 2]), scale)
    let scores = network.add(
      "Div", network.add("MatMul", left, right), network.add("Sqrt", scale))
    let context = network.add("MatMul", network.softmax(scores), value)
    // The batch and the length are read from the context.
    let extents = network.add("Shape", context)
    func extent(_ index: Int64, _ network: inout Network) throws -> ValueID {
      let place = try network.integers([index], [])
      let extent = network.add("Gather", extents, place)
      return network.add("Unsqueeze", extent, try network.integers([0]))
    }
    let parts = [
      try extent(0, &network), try extent(2, &network), try network.integers([12]),
    ]
    let target = network.graph.addNode("Concat", parts, attributes: ["axis": .int(0)])
    let output = network.add("Reshape", network.transpose(context, [0, 2, 1, 3]), target)
    let operators = try network.operatorsAfterComparing([output])
    #expect(operators.contains(Self.fused))
    #expect(!operators.contains("Softmax") && !operators.contains("Transpose"))
  }

  /// Leading axes broadcast as in MatMul, masks may have more rows than queries, or more axes.
  @Test(
    arguments: [
      ([2, 3, 5, 4], [4, 6], [6, 3], [1, 1, 5, 6]),
      ([5, 4], [2, 3, 4, 6], [3, 6, 2], [6]),
      ([1, 4], [2, 4, 6], [2, 6, 3], [2, 5, 6]),
      ([3, 5, 4], [3, 4, 6], [3, 6, 3], [2, 1, 5, 1]),
      ([3, 5, 4], [3, 4, 1], [6, 3], [5, 6]),
      ([5, 4], [4, 6], [6, 3], [1, 1]),
      ([2, 1, 1, 7, 3, 4], [5, 1, 4, 7], [7, 1], [7]),
      ([3, 5, 1], [3, 1, 6], [3, 6, 1], [1]),
      ([2, 0, 4], [2, 4, 6], [2, 6, 3], [1]),
      ([2, 5, 4], [2, 4, 0], [2, 0, 3], [1]),
    ] as [([Int], [Int], [Int], [Int])])
  func broadcasting(_ query: [Int], _ key: [Int], _ value: [Int], _ mask: [Int]) throws {
    var network = Network()
    var scores = network.add("MatMul", try network.input(query), try network.input(key))
    scores = network.add("Add", scores, try network.input(mask))
    let output = network.add("MatMul", network.softmax(scores), try network.input(value))
    #expect(try network.operatorsAfterComparing([output]) == [Self.fused])
  }

  /// Keys of several blocks, among them rows in which nothing is seen, and NaN.
  @Test(arguments: [true, false], [3, 70])
  func manyKeys(_ isGuarded: Bool, _ rows: Int) throws {
    var network = Network()
    let count = 1200
    var query = try network.tensor([2, rows, 8]).elements(as: Float.self)
    query[8] = .nan
    network.inputs.append(try Tensor(query, shape: [2, rows, 8]))
    let left = network.declare([2, rows, 8], [:], .float)
    let (key, value) = (try network.input([2, count, 8]), try network.input([2, count, 8]))
    var mask = [Double](repeating: 0, count: rows * count)
    for index in mask.indices where index % 3 == 0 || index / count == 2 {
      mask[index] = -.infinity
    }
    // One block without keys.
    for index in 0..<512 { mask[index] = -.infinity }
    let added = network.graph.addConstant(try network.tensor([rows, count], mask))
    let scores = network.add(
      "Add", network.add("MatMul", left, network.transpose(key, [0, 2, 1])), added)
    var weights = network.softmax(scores)
    if isGuarded {
      weights = network.add(
        "Where", network.add("IsNaN", weights), try network.number(0), weights)
    }
    let output = network.add("MatMul", weights, value)
    let numbers = try network.operatorsAfterComparing([output], tolerance: 1e-4)
    #expect(numbers == [Self.fused])
  }

  // MARK: Decoders

  /// Keys and values of fewer heads than queries, as Llama's are: each is repeated, by extents that
  /// are constants or computed from shapes.
  @Test(arguments: ["constants", "shapes", "of the input"], [ElementType.float, .float16])
  func groupedQueries(_ extents: String, _ type: ElementType) throws {
    var network = Network(type)
    let x = try network.input([2, 5, 12], extents == "constants" ? [:] : [0: "N", 1: "S"])
    func one(_ value: ValueID, _ axis: Int, _ network: inout Network) -> ValueID {
      network.add("Shape", value, attributes: ["start": .int(axis), "end": .int(axis + 1)])
    }
    func shape(_ parts: [ValueID], _ network: inout Network) -> ValueID {
      network.graph.addNode("Concat", parts, attributes: ["axis": .int(0)])
    }
    func heads(_ count: Int64, _ network: inout Network) throws -> ValueID {
      let product = network.add("MatMul", x, try network.constant([12, Int(count) * 4]))
      let target =
        extents == "constants"
        ? try network.integers([2, 5, count, 4])
        : shape(
          [
            one(x, 0, &network), one(x, 1, &network),
            try network.integers([extents == "shapes" ? -1 : count]), try network.integers([4]),
          ], &network)
      return network.transpose(network.add("Reshape", product, target), [0, 2, 1, 3])
    }
    func repeated(_ value: ValueID, _ network: inout Network) throws -> ValueID {
      let more = network.add("Unsqueeze", value, try network.integers([2]))
      let three = try network.integers([3])
      guard extents != "constants" else {
        let wide = network.add("Expand", more, try network.integers([2, 2, 3, 5, 4]))
        return try network.reshape(wide, [2, 6, 5, 4])
      }
      let source = extents == "shapes" ? value : x
      let (batch, length) = (
        one(source, 0, &network), one(source, extents == "shapes" ? 2 : 1, &network)
      )
      let (two, six) = (try network.integers([2]), try network.integers([6]))
      let size = try network.integers([4])
      var target = shape([batch, two, three, length, size], &network)
      if extents == "shapes" {
        // Expand would take -1 for an extent that stays.
        let ones = try network.integers([1, 1, 1, 1, 1])
        let test = network.add("Equal", target, try network.integers([-1, -1, -1, -1, -1]))
        target = network.add("Where", test, ones, target)
      }
      let wide = network.add("Expand", more, target)
      return network.add("Reshape", wide, shape([batch, six, length, size], &network))
    }
    let (query, key, value) = (
      try heads(6, &network), try heads(2, &network), try heads(2, &network)
    )
    let (manyKeys, manyValues) = (
      try repeated(key, &network), try repeated(value, &network)
    )
    var scores = network.add("MatMul", query, network.transpose(manyKeys, [0, 1, 3, 2]))
    scores = network.add("Mul", scores, try network.number(0.5))
    scores = network.add("Add", scores, try network.input([2, 1, 5, 5]))
    let context = network.add("MatMul", network.softmax(scores), manyValues)
    let moved = network.transpose(context, [0, 2, 1, 3])
    let operators = try network.operatorsAfterComparing(
      [moved], tolerance: type == .float ? 2e-5 : 1e-2)
    #expect(operators.contains(Self.fused))
    #expect(Set(operators).isDisjoint(with: ["Softmax", "Expand", "Transpose"]))
  }

  /// What is repeated in another way stays as it is.
  @Test(arguments: ["a batch of one", "values only", "along the sizes"])
  func otherRepetitions(_ form: String) throws {
    var network = Network()
    let (query, key, value) = (
      try network.input([2, 6, 5, 4]),
      try network.input([form == "a batch of one" ? 1 : 2, form == "values only" ? 6 : 3, 7, 4]),
      try network.input([2, 3, 7, 4])
    )
    func repeated(_ value: ValueID, _ axis: Int64, _ network: inout Network) throws -> ValueID {
      let more = network.add("Unsqueeze", value, try network.integers([axis]))
      let wide = network.add(
        "Expand", more, try network.integers(axis == 2 ? [2, 3, 2, 7, 4] : [2, 2, 3, 7, 4]))
      return try network.reshape(wide, [2, 6, 7, 4])
    }
    let manyKeys =
      form == "values only" ? key : try repeated(key, form == "along the sizes" ? 1 : 2, &network)
    let scores = network.add("MatMul", query, network.transpose(manyKeys, [0, 1, 3, 2]))
    let output = network.add(
      "MatMul", network.softmax(scores), try repeated(value, 2, &network))
    let operators = try network.operatorsAfterComparing([output])
    #expect(operators.contains(Self.fused) && operators.contains("Expand"))
  }

  /// As Gemma's scores are bounded, before the mask.
  @Test(arguments: [ElementType.float, .double, .float16], [4, 700])
  func boundedScores(_ type: ElementType, _ keys: Int) throws {
    var network = Network(type)
    let (query, key, value) = (
      try network.input([2, 3, 5, 8]), try network.input([2, 3, keys, 8]),
      try network.input([2, 3, keys, 4])
    )
    var scores = network.add("MatMul", query, network.transpose(key, [0, 1, 3, 2]))
    scores = network.add("Mul", scores, try network.number(0.5))
    scores = network.add("Div", scores, try network.number(4))
    scores = network.add("Mul", network.add("Tanh", scores), try network.number(4))
    scores = network.add("Add", scores, try network.input([5, keys]))
    let output = network.add("MatMul", network.softmax(scores), value)
    let tolerance = [ElementType.float: 2e-5, .double: 1e-12][type] ?? 1e-2
    let operators = try network.operatorsAfterComparing([output], tolerance: tolerance)
    #expect(operators.filter { $0 == Self.fused }.count == 1)
    #expect(Set(operators).isDisjoint(with: ["Softmax", "Tanh", "Mul", "Div"]))
  }

  /// A bound that is not one: Tanh of masked scores, and a factor below 0.
  @Test(arguments: [true, false])
  func otherBounds(_ isMasked: Bool) throws {
    var network = Network()
    let (query, key, value) = (
      try network.input([2, 5, 4]), try network.input([2, 4, 6]), try network.input([2, 6, 3])
    )
    var scores = network.add("MatMul", query, key)
    if isMasked { scores = network.add("Add", scores, try network.input([6])) }
    scores = network.add(
      "Mul", network.add("Tanh", scores), try network.number(isMasked ? 2 : -2))
    let output = network.add("MatMul", network.softmax(scores), value)
    let operators = try network.operatorsAfterComparing([output])
    #expect(operators.contains("Softmax") && !operators.contains(Self.fused))
  }

  /// Narrow types with Softmax in float: scores are widened before or after the mask, or only the
  /// weights; or queries and keys are.
  @Test(
    arguments: ["before the mask", "after the mask", "weights", "operands"],
    [ElementType.float16, .bfloat16])
  func softmaxInFloat(_ place: String, _ type: ElementType) throws {
    var network = Network(type)
    func cast(_ value: ValueID, _ type: ElementType, _ network: inout Network) -> ValueID {
      network.add("Cast", value, attributes: ["to": .int(Int(type.rawValue))])
    }
    var (query, key) = (try network.input([2, 3, 5, 8]), try network.input([2, 3, 6, 8]))
    let value = try network.input([2, 3, 6, 4])
    if place == "operands" {
      (query, key) = (cast(query, .float, &network), cast(key, .float, &network))
    }
    key = network.transpose(key, [0, 1, 3, 2])
    var scores = network.add("MatMul", query, key)
    let isEarly = place == "before the mask"
    if isEarly { scores = cast(scores, .float, &network) }
    if isEarly || place == "operands" { network.type = .float }
    scores = network.add("Mul", scores, try network.number(0.25))
    scores = network.add("Add", scores, try network.input([2, 1, 5, 6]))
    if place == "after the mask" { scores = cast(scores, .float, &network) }
    var weights = network.softmax(scores)
    if place == "weights" { weights = cast(weights, .float, &network) }
    let output = network.add("MatMul", cast(weights, type, &network), value)
    let operators = try network.operatorsAfterComparing(
      [output], tolerance: type == .float16 ? 5e-3 : 5e-2)
    #expect(operators.filter { $0 == Self.fused }.count == 1)
    #expect(!operators.contains("Softmax") && !operators.contains("MatMul"))
  }

  /// Swin's shifted windows: a mask for each window of an image, which one Reshape finds and
  /// another one hides.
  @Test(arguments: [ElementType.float, .double, .float16], [true, false])
  func windows(_ type: ElementType, _ isDynamic: Bool) throws {
    var network = Network(type)
    let x = try network.input([12, 5, 12], isDynamic ? [0: "B"] : [:])
    let query = try network.heads(x, width: 12, heads: 3)
    let key = try network.heads(x, width: 12, heads: 3, permutation: [0, 2, 3, 1])
    let value = try network.heads(x, width: 12, heads: 3)
    var scores = network.add("MatMul", query, key)
    scores = network.add("Add", scores, try network.constant([1, 3, 5, 5]))
    scores = try network.reshape(scores, [-1, 4, 3, 5, 5])
    scores = network.add("Add", scores, try network.constant([1, 4, 1, 5, 5]))
    scores = try network.reshape(scores, [-1, 3, 5, 5])
    let context = network.add("MatMul", network.softmax(scores), value)
    let output = network.transpose(context, [0, 2, 1, 3])
    let tolerance = [ElementType.float: 2e-5, .double: 1e-12][type] ?? 1e-2
    let operators = try network.operatorsAfterComparing([output], tolerance: tolerance)
    #expect(operators.filter { $0 == Self.fused }.count == 1)
    #expect(!operators.contains("Softmax") && !operators.contains("Transpose"))
  }

  /// Reshapes that do not come back to the same matrices.
  @Test(arguments: [true, false])
  func otherWindows(_ mixesHeads: Bool) throws {
    var network = Network()
    let (query, key, value) = (
      try network.input([4, 3, 5, 4]), try network.input([4, 3, 4, 5]),
      try network.input([4, 3, 5, 4])
    )
    var scores = network.add("MatMul", query, key)
    scores = try network.reshape(scores, mixesHeads ? [2, 3, 2, 5, 5] : [2, 2, 3, 5, 5])
    scores = network.add(
      "Add", scores, try network.constant(mixesHeads ? [1, 3, 1, 5, 5] : [2, 1, 1, 5, 5]))
    scores = try network.reshape(scores, [4, 3, 5, 5])
    let output = network.add("MatMul", network.softmax(scores), value)
    let operators = try network.operatorsAfterComparing([output])
    #expect(operators.contains("Softmax") && !operators.contains(Self.fused))
  }

  // MARK: What stays

  private enum Obstacle: CaseIterable {
    case weightsAreRead, scoresAreRead, otherAxis, constantKeys, constantValues, addedBeforeScale
    case vectorScale, trains, fillOfManyElements, guardIsNotZero
  }

  @Test(arguments: Obstacle.allCases)
  private func staysSpelledOut(_ obstacle: Obstacle) throws {
    var network = Network()
    let query = try network.input([2, 6, 6])
    let key =
      obstacle == .constantKeys
      ? try network.constant([2, 6, 6])
      : network.transpose(try network.input([2, 6, 6]), [0, 2, 1])
    let value =
      obstacle == .constantValues ? try network.constant([2, 6, 6]) : try network.input([2, 6, 6])
    var scores = network.add("MatMul", query, key)
    var others: [ValueID] = []
    switch obstacle {
    case .scoresAreRead: others.append(network.add("Neg", scores))
    case .addedBeforeScale:
      scores = network.add("Add", scores, try network.input([6]))
      scores = network.add("Mul", scores, try network.number(0.5))
    case .vectorScale: scores = network.add("Mul", scores, try network.constant([6]))
    case .fillOfManyElements:
      scores = network.add("Where", try network.truths([6]), scores, try network.constant([6]))
    default: break
    }
    var weights = network.softmax(scores, axis: obstacle == .otherAxis ? 1 : -1)
    switch obstacle {
    case .weightsAreRead: others.append(weights)
    case .trains:
      weights = network.add(
        "Dropout", weights, try network.number(0),
        network.graph.addConstant(try Tensor(scalar: true)))
    case .guardIsNotZero:
      weights = network.add(
        "Where", network.add("IsNaN", weights), try network.number(1), weights)
    default: break
    }
    let output = network.add("MatMul", weights, value)
    let operators = try network.operatorsAfterComparing([output] + others)
    #expect(operators.contains("Softmax") && !operators.contains(Self.fused))
  }

  /// Other readers of queries, keys and contexts keep what they read.
  @Test func otherReadersOfOperands() throws {
    var network = Network()
    let query = network.add("Mul", try network.input([2, 5, 4]), try network.number(0.5))
    let key = network.transpose(try network.input([2, 6, 4]), [0, 2, 1])
    let scores = network.add("MatMul", query, key)
    let context = network.add("MatMul", network.softmax(scores), try network.input([2, 6, 3]))
    let moved = network.transpose(context, [1, 0, 2])
    let operators = try network.operatorsAfterComparing([moved, context, query, key])
    #expect(operators.filter { $0 == Self.fused }.count == 1)
  }

  /// Training computes gradients through the plain nodes.
  @Test func gradientsReadTheWeights() throws {
    var network = Network()
    let x = try network.input([2, 5, 4])
    let weights = network.graph.addParameter(name: "weights", try network.tensor([4, 4]))
    let query = network.add("MatMul", x, weights)
    let scores = network.add("MatMul", query, network.transpose(x, [0, 2, 1]))
    let context = network.add("MatMul", network.softmax(scores), x)
    let loss = network.graph.addNode(
      "ReduceSum", [network.add("Mul", context, context)], attributes: ["keepdims": .int(0)])
    let gradients = try GradientPass.append(
      to: &network.graph, loss: loss, targets: [weights])
    let operators = try network.operatorsAfterComparing(
      [loss] + gradients.values, tolerance: 1e-4)
    #expect(operators.contains("Softmax") && !operators.contains(Self.fused))
  }
}
