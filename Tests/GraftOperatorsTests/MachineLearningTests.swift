import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor
import TestSupport
import Testing

/// What examples do not show of the operators of ai.onnx.ml.
@Suite struct MachineLearningTests {
  private static func node(
    _ type: String, _ attributes: [ByteString: Attribute] = [:], outputs: Int = 1
  ) -> Node {
    Node(
      operatorType: type, domain: OperatorDomain.machineLearning, inputs: [ValueID(0)],
      outputs: (1...outputs).map { ValueID($0) }, attributes: attributes)
  }

  private static func results(
    _ node: Node, _ input: RuntimeValue, threads: Int = 1
  ) throws -> [RuntimeValue?] {
    try evaluate(
      OperatorCatalog.make(node), inputs: [input], wantedOutputs: node.outputs.map { $0 != nil },
      threads: threads)
  }

  // MARK: Older forms

  private func upgraded(
    _ attributes: [ByteString: Attribute], input: ElementType?
  ) throws -> Node {
    var graph = Graph()
    let id = graph.addValue(type: input.map { .tensor(TensorType($0, [2])) })
    var node = Self.node("LabelEncoder", attributes)
    node.inputs = [id]
    var context = UpgradeContext(graph: graph, opset: 1)
    try #require(OperatorCatalog.type(of: node)).upgrade(&node, from: 1, in: &context)
    return node
  }

  @Test func classesOfOldLabelEncodersAreNumbered() throws {
    let classes: [ByteString: Attribute] = ["classes_strings": .strings(["a", "b"])]
    let toStrings = try upgraded(
      classes.merging(["default_string": .string("?")]) { $1 }, input: .int64)
    let strings = try Self.results(toStrings, .tensor(Tensor([Int64(1), 0, 2], shape: [3])))
    #expect(try strings[0]?.tensor.strings == ["b", "a", "?"])
    let toIntegers = try upgraded(classes, input: .string)
    let integers = try Self.results(toIntegers, .tensor(Tensor(strings: ["b", "x"], shape: [2])))
    #expect(try integers[0]?.tensor.integers() == [1, -1])
    // Without a type, the default tells the direction.
    let told = try upgraded(classes.merging(["default_int64": .int(7)]) { $1 }, input: nil)
    #expect(told.attributes["keys_strings"] != nil)
    expectError(.unavailable, "needs the type of its input") {
      try upgraded(classes, input: nil)
    }
  }

  @Test func labelEncodersBecomeOldOnesWhereTheyCan() throws {
    func downgraded(
      _ attributes: [ByteString: Attribute], to version: Int = 1
    ) throws -> Node {
      var node = Self.node("LabelEncoder", attributes)
      var context = DowngradeContext(
        graph: Graph(), opset: version, importedOpset: 0, allowsExtraNodes: false)
      try #require(OperatorCatalog.type(of: node)).downgrade(&node, to: version, in: &context)
      return node
    }
    let node = try downgraded([
      "keys_int64s": .ints([0, 1]), "values_strings": .strings(["a", "b"]),
      "default_string": .string("?"), "default_int64": .int(3),
    ])
    #expect(Set(node.attributes.keys) == ["classes_strings", "default_string"])
    expectError(.unavailable, "NaN, or not all different") {
      try downgraded(
        ["keys_floats": .floats([1, .nan]), "values_strings": .strings(["a", "b"])], to: 3)
    }
    expectError(.unavailable, "not the numbers from 0") {
      try downgraded(["keys_int64s": .ints([1, 0]), "values_strings": .strings(["a", "b"])])
    }
  }

  // MARK: Maps

  private static func map(_ keys: Tensor, _ values: Tensor) throws -> RuntimeValue {
    .map(try RuntimeMap(keys: keys, values: .scalars(values)))
  }

  @Test func keysOfMapsDiffer() throws {
    expectError(.badData, "a key twice") {
      try Self.map(Tensor([Int64(1), 1], shape: [2]), Tensor([Float(1), 2], shape: [2]))
    }
    expectError(.badData, "2 keys, and 1 values") {
      try Self.map(Tensor([Int64(1), 2], shape: [2]), Tensor([Float(1)], shape: [1]))
    }
    expectError(.badData, "a key twice") {
      try OperatorCatalog.make(Self.node("ZipMap", ["classlabels_int64s": .ints([1, 2, 1])]))
    }
  }

  @Test func keysMustFit() throws {
    let map = try Self.map(Tensor([Int64(-1), 2], shape: [2]), Tensor([Float(1), 2], shape: [2]))
    for limit in [2, 3] {
      let node = Self.node(
        "CastMap", ["map_form": .string("SPARSE"), "max_map": .int(limit)])
      expectError(.badData, "is not below the length \(limit)") { try Self.results(node, map) }
    }
    expectError(.badData, "the key '-1' is not in the vocabulary") {
      try Self.results(Self.node("DictVectorizer", ["int64_vocabulary": .ints([2])]), map)
    }
    expectError(.badData, "expected a map") {
      try Self.results(
        Self.node("DictVectorizer", ["int64_vocabulary": .ints([2])]), .sequence([map]))
    }
  }

  @Test func hugeSparseMapsAreRefused() throws {
    let map = try Self.map(Tensor([Int64(0)], shape: [1]), Tensor([Float(1)], shape: [1]))
    let node = Self.node("CastMap", ["map_form": .string("SPARSE"), "max_map": .int(1 << 40)])
    expectError(.operatingSystem, or: .badData) {
      try evaluate(
        OperatorCatalog.make(node), inputs: [map], wantedOutputs: [true], memoryLimit: 1 << 20)
    }
  }

  // MARK: Numbers

  /// Fewer elements in one row than in a vector, and more.
  @Test(arguments: [1, 3, 16, 37, 100])
  func scoresAreWeightedSums(_ featureCount: Int) throws {
    var generator = Generator(seed: UInt64(featureCount))
    let coefficients = generator.floats(3 * featureCount)
    let x = generator.floats(7 * featureCount)
    let node = Self.node(
      "LinearRegressor",
      [
        "coefficients": .floats(coefficients), "intercepts": .floats([0.5, -1, 2]),
        "targets": .int(3),
      ])
    let intercepts: [Double] = [0.5, -1, 2]
    var expected: [Double] = []
    for row in 0..<7 {
      for target in 0..<3 {
        var sum = intercepts[target]
        for feature in 0..<featureCount {
          let weight = Double(coefficients[target * featureCount + feature])
          sum += weight * Double(x[row * featureCount + feature])
        }
        expected.append(sum)
      }
    }
    for threads in [1, 3] {
      let output = try Self.results(
        node, .tensor(Tensor(x, shape: [7, featureCount])), threads: threads)[0]
      let found = try #require(try output?.tensor).doubles()
      for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-6) }
    }
  }

  @Test(arguments: ["LINEAR", "POLY", "RBF", "SIGMOID"])
  func kernelsAreThoseOfTheirNames(_ kernel: String) throws {
    var generator = Generator(seed: 5)
    let count = 19
    let vector = generator.floats(count)
    let x = generator.floats(count)
    let node = Self.node(
      "SVMRegressor",
      [
        "kernel_type": .string(kernel), "kernel_params": .floats([0.25, 0.5, 3]),
        "support_vectors": .floats(vector), "n_supports": .int(1), "coefficients": .floats([2]),
        "rho": .floats([1]),
      ])
    var (product, distance) = (0.0, 0.0)
    for (first, second) in zip(x.map { Double($0) }, vector.map { Double($0) }) {
      product += first * second
      distance += (first - second) * (first - second)
    }
    let scaled = 0.25 * product + 0.5
    let expected =
      switch kernel {
      case "LINEAR": product
      case "POLY": scaled * scaled * scaled
      case "RBF": exp(-0.25 * distance)
      default: tanh(scaled)
      }
    let output = try Self.results(node, .tensor(Tensor(x, shape: [1, count])))[0]
    let found = try #require(try output?.tensor).doubles()[0]
    #expect(abs(found - (2 * expected + 1)) < 1e-6)
  }

  @Test func strangersAreRefused() throws {
    let encoder = Self.node("OneHotEncoder", ["cats_int64s": .ints([1]), "zeros": .int(0)])
    expectError(.badData, "'5' is none of the 1 categories") {
      try Self.results(encoder, .tensor(Tensor([Int64(5)], shape: [1])))
    }
    for (attributes, part): ([ByteString: Attribute], String) in [
      ([:], "needs either"),
      (
        ["classlabels_ints": .ints([1, 2]), "classlabels_strings": .strings(["a", "b"])], "either"
      ),
    ] {
      expectError(.badData, part) {
        try OperatorCatalog.make(
          Self.node(
            "LinearClassifier", attributes.merging(["coefficients": .floats([1, 2])]) { $1 },
            outputs: 2))
      }
    }
    let classifier = Self.node(
      "LinearClassifier",
      ["coefficients": .floats([1, 2, 3]), "classlabels_ints": .ints([1, 2, 3])], outputs: 2)
    expectError(.badData, "input 0 has 2 features; the node is for 1") {
      try Self.results(classifier, .tensor(Tensor([Float(1), 2], shape: [1, 2])))
    }
    let machine = Self.node(
      "SVMClassifier",
      [
        "coefficients": .floats([1, 2]), "classlabels_ints": .ints([1, 2]),
        "vectors_per_class": .ints([1, .max]), "rho": .floats([0]),
      ], outputs: 2)
    expectError(.badData, "'vectors_per_class'") { try OperatorCatalog.make(machine) }
  }

  @Test func stringLabelsAreThoseOfTheirRows() throws {
    var generator = Generator(seed: 2)
    let x = try Tensor(generator.floats(4000), shape: [1000, 4])
    func outputs(threads: Int) throws -> [RuntimeValue?] {
      try Self.results(
        Self.node(
          "LinearClassifier",
          [
            "coefficients": .floats([1, 0, 0, 0, 0, 1, 0, 0]), "intercepts": .floats([0, 0]),
            "classlabels_strings": .strings(["left", "right"]),
          ], outputs: 2), .tensor(x), threads: threads)
    }
    let numbers: [Float] = try x.elements()
    let expected = (0..<1000).map { numbers[4 * $0] >= numbers[4 * $0 + 1] ? "left" : "right" }
    for threads in [1, 3] {
      #expect(try outputs(threads: threads)[0]?.tensor.strings == expected)
    }
  }
}
