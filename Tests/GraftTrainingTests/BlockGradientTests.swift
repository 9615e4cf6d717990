import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import Testing

/// Gradients of whole blocks against what PyTorch found.
@Suite struct BlockGradientTests {
  /// In float the blocks run in the blocked layout, by Winograd's method; in double as written.
  @Test(arguments: [ElementType.float, .double], ["vgg", "residual", "inverted", "encoder"])
  func gradientsAreThoseOfPyTorch(_ type: ElementType, _ name: String) throws {
    var block = try Block(name, type)
    switch name {
    case "vgg": try block.appendVGG()
    case "residual": try block.appendResidual()
    case "inverted": try block.appendInverted()
    default: try block.appendEncoder()
    }
    let tolerance = type == .float ? 2e-5 : 1e-6
    for (found, expected, what) in try block.run() {
      #expect(found.shape == expected.shape, "\(name) \(what)")
      let (values, references) = (try found.doubles, try expected.doubles)
      let largest = references.reduce(0) { max($0, abs($1)) }
      let difference = zip(values, references).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(difference <= tolerance * max(1, largest), "\(name) \(what): \(difference)")
    }
  }
}

/// A graph made of a fixture's parameters, whose output is `y`.
private struct Block {
  private let name: String
  private let type: ElementType
  private var graph: Graph
  private var values: [String: ValueID] = [:]
  private var y: ValueID
  private let x: Tensor

  init(_ name: String, _ type: ElementType) throws {
    self.name = name
    self.type = type
    graph = Graph(name: name)
    func tensor(_ key: String) throws -> Tensor {
      let floats = try Fixtures.blocks.tensor(key)
      return type == .float ? floats : try Tensor(floats.doubles, shape: floats.shape)
    }
    x = try tensor("\(name)/in/x")
    y = graph.addInput(name: "x", type: TensorType(type, [Dimension](x.shape)))
    values["x"] = y
    let prefix = "\(name)/in/"
    for key in Fixtures.blocks.names where key.hasPrefix(prefix) && key != "\(prefix)x" {
      let parameter = String(key.dropFirst(prefix.count))
      let tensor = try tensor(key)
      values[parameter] =
        parameter == "loss_weight"
        ? graph.addConstant(tensor) : graph.addParameter(name: parameter, tensor)
    }
  }

  private func value(_ name: String) throws -> ValueID { try #require(values[name], "\(name)") }

  private mutating func constant(_ number: Double, shape: Shape = []) throws -> ValueID {
    let numbers = [Double](repeating: number, count: shape.elementCount)
    return graph.addConstant(
      type == .float
        ? try Tensor(numbers.map(Float.init), shape: shape) : try Tensor(numbers, shape: shape))
  }

  private mutating func integers(_ numbers: [Int64]) throws -> ValueID {
    graph.addConstant(try Tensor(numbers, shape: [numbers.count]))
  }

  mutating func appendVGG() throws {
    for layer in ["conv1", "conv2"] {
      let sum = graph.addNode(
        "Conv", [y, try value("\(layer).weight"), try value("\(layer).bias")],
        attributes: ["pads": .ints([1, 1, 1, 1])])
      y = graph.addNode("Relu", [sum])
    }
    y = graph.addNode(
      "MaxPool", [y], attributes: ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
  }

  /// A convolution and the normalization of the same number.
  private mutating func normalized(
    _ input: ValueID, _ convolution: String, _ norm: String, stride: Int = 1, pad: Int = 0,
    groupCount: Int = 1
  ) throws -> ValueID {
    let sum = graph.addNode(
      "Conv", [input, try value("\(convolution).weight")],
      attributes: [
        "strides": .ints([stride, stride]), "pads": .ints([pad, pad, pad, pad]),
        "group": .int(groupCount),
      ])
    let channels = try Fixtures.blocks.tensor("\(name)/in/\(norm).bias").shape
    let inputs = [
      sum, try value("\(norm).weight"), try value("\(norm).bias"),
      try constant(0, shape: channels), try constant(1, shape: channels),
    ]
    return graph.addNode(
      "BatchNormalization", inputs, attributes: ["training_mode": .int(1)], outputCount: 3)[0]
  }

  mutating func appendResidual() throws {
    let first = try normalized(y, "conv1", "norm1", stride: 2, pad: 1)
    let relu = graph.addNode("Relu", [first])
    let second = try normalized(relu, "conv2", "norm2", pad: 1)
    let shortcut = try normalized(y, "shortcut", "norm3", stride: 2)
    y = graph.addNode("Relu", [graph.addNode("Add", [second, shortcut])])
  }

  /// Each channel has a kernel of its own in the second and fourth convolution.
  mutating func appendInverted() throws {
    let (low, high) = (try constant(0), try constant(1))
    func clipped(_ input: ValueID) -> ValueID { graph.addNode("Clip", [input, low, high]) }
    let first = clipped(try normalized(y, "conv1", "norm1"))
    let second = clipped(try normalized(first, "conv2", "norm2", pad: 1, groupCount: 34))
    let sum = graph.addNode("Add", [y, try normalized(second, "conv3", "norm3")])
    y = clipped(try normalized(sum, "conv4", "norm4", stride: 2, pad: 1, groupCount: 16))
  }

  /// Normalization after each half, two heads of four numbers.
  mutating func appendEncoder() throws {
    func dense(_ input: ValueID, _ name: String, _ separator: String = ".") throws -> ValueID {
      let weights = graph.addNode(
        "Transpose", [try value("\(name)\(separator)weight")],
        attributes: ["perm": .ints([1, 0])])
      let product = graph.addNode("MatMul", [input, weights])
      return graph.addNode("Add", [product, try value("\(name)\(separator)bias")])
    }
    func normalized(_ input: ValueID, _ name: String) throws -> ValueID {
      graph.addNode(
        "LayerNormalization",
        [input, try value("\(name).weight"), try value("\(name).bias")],
        attributes: ["axis": .int(-1)])
    }
    let (batch, length, width, heads) = (x.shape[0], x.shape[1], x.shape[2], 2)
    let projected = try dense(y, "self_attn.in_proj", "_")
    let parts = graph.addNode(
      "Split", [projected, try integers([Int64](repeating: Int64(width), count: 3))],
      attributes: ["axis": .int(-1)], outputCount: 3)
    let split = try integers([batch, length, heads, width / heads].map(Int64.init))
    let perHead = parts.map { part in
      graph.addNode(
        "Transpose", [graph.addNode("Reshape", [part, split])],
        attributes: ["perm": .ints([0, 2, 1, 3])])
    }
    let keys = graph.addNode(
      "Transpose", [perHead[1]], attributes: ["perm": .ints([0, 1, 3, 2])])
    let scores = graph.addNode(
      "Div",
      [
        graph.addNode("MatMul", [perHead[0], keys]),
        try constant(Double(width / heads).squareRoot()),
      ])
    let weighted = graph.addNode(
      "MatMul", [graph.addNode("Softmax", [scores], attributes: ["axis": .int(-1)]), perHead[2]])
    let joined = graph.addNode(
      "Reshape",
      [
        graph.addNode("Transpose", [weighted], attributes: ["perm": .ints([0, 2, 1, 3])]),
        try integers([batch, length, width].map(Int64.init)),
      ])
    let attention = try dense(joined, "self_attn.out_proj")
    let middle = try normalized(graph.addNode("Add", [y, attention]), "norm1")
    let hidden = graph.addNode("Gelu", [try dense(middle, "linear1")])
    y = try normalized(graph.addNode("Add", [middle, try dense(hidden, "linear2")]), "norm2")
  }

  /// The output and all gradients, each beside what PyTorch has.
  func run() throws -> [(found: Tensor, expected: Tensor, what: String)] {
    var graph = graph
    let product = graph.addNode("Mul", [y, try value("loss_weight")])
    let loss = graph.addNode(
      "ReduceSum", [product], attributes: ["keepdims": .int(0)], outputName: "loss")
    graph.outputs = [loss]
    try graph.inferTypes()
    let names = values.keys.filter { $0 != "loss_weight" }.sorted()
    let targets = try names.map(value)
    let gradients = try GradientPass.append(to: &graph, loss: loss, targets: targets)
    graph.outputs = [y] + (try targets.map { try #require(gradients[$0]) })
    let outputs = try Session(Executable(graph)).run([x])
    let expected =
      try [Fixtures.blocks.tensor("\(name)/out/y")]
      + names.map { try Fixtures.blocks.tensor("\(name)/gradient/\($0)") }
    return zip(zip(outputs, expected), ["y"] + names).map { ($0.0, $0.1, $1) }
  }
}
