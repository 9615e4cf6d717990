import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor

nonisolated(unsafe) var seed: UInt64 = 1
func next() -> UInt64 {
  seed = seed &* 6364136223846793005 &+ 1442695040888963407
  return seed >> 33
}
func tensor(_ shape: [Int], _ low: Float = -0.5, _ high: Float = 0.5) -> Tensor {
  let count = shape.reduce(1, *)
  return try! Tensor(
    (0..<count).map { _ in low + (high - low) * Float(next() % 4096) / 4096 }, shape: shape)
}
func hash(_ tensor: Tensor) -> String {
  var h: UInt64 = 14695981039346656037
  tensor.withUnsafeBytes { for b in $0 { h = (h ^ UInt64(b)) &* 1099511628211 } }
  return "\(tensor.elementType)\(tensor.shape) \(String(h, radix: 16))"
}
func full(_ attribute: Attribute) -> String {
  switch attribute {
  case .tensor(let t): hash(t)
  default: "\(attribute)"
  }
}
func dump(_ title: String, _ graph: Graph, _ inputs: [Tensor]) {
  print("== \(title)")
  do {
    let executable = try Executable(graph)
    let lowered = executable.graph
    for node in lowered.nodes {
      let attributes = node.attributes.sorted { $0.key < $1.key }.map { "\($0.key)=\(full($0.value))" }
      print(
        node.qualifiedType, node.name, node.inputs.map { $0.map { "\($0.index):\(lowered[$0].name)" } ?? "_" },
        node.outputs.map { $0.map { "\($0.index):\(lowered[$0].name):\(lowered[$0].type.map { "\($0)" } ?? "?")" } ?? "_" },
        attributes)
    }
    for (id, constant) in lowered.constants.sorted(by: { $0.key < $1.key }) {
      print("constant", id.index, lowered[id].name, hash(constant))
    }
    print("outputs", lowered.outputs.map(\.index), lowered.updates.map { "\($0.parameter.index) \($0.newValue.index)" })
    for output in try Session(executable).run(inputs) { print(hash(output)) }
  } catch { print("error: \(error)") }
}
func ints(_ v: [Int64], _ g: inout Graph) -> ValueID { g.addConstant(try! Tensor(v, shape: [v.count])) }

struct Net {
  var graph = Graph(name: "net")
  var x: ValueID
  let channels: Int
  let trains: Bool
  var parameters: [ValueID] = []
  let type: ElementType
  init(_ channels: Int, trains: Bool = false, extents: (Int, Int) = (12, 11), type: ElementType = .float) {
    self.channels = channels
    self.trains = trains
    self.type = type
    x = graph.addInput(name: "x", type: TensorType(type, [2, .known(channels), .known(extents.0), .known(extents.1)]))
  }
  mutating func weight(_ shape: [Int], _ low: Float = -0.5, _ high: Float = 0.5) -> ValueID {
    let t = try! tensor(shape, low, high).converted(to: type)
    guard trains else { return graph.addConstant(t) }
    let p = graph.addParameter(name: "p\(parameters.count)", t)
    parameters.append(p)
    return p
  }
  mutating func conv(_ v: ValueID, _ c: Int, _ m: Int, k: Int = 3, g: Int = 1, s: [Int] = [1, 1], d: Int = 1, bias: Bool = true) -> ValueID {
    let p = k / 2 * d
    let inputs = [v, weight([m, c / g, k, k])] + (bias ? [weight([m])] : [])
    return graph.addNode("Conv", inputs, attributes: ["pads": .ints([p, p, p, p]), "group": .int(g), "strides": .ints(s), "dilations": .ints([d, d])])
  }
  mutating func bn(_ v: ValueID, _ c: Int) -> ValueID {
    let scale = weight([c], 0.5, 1), bias = weight([c])
    guard trains else {
      return graph.addNode("BatchNormalization", [v, scale, bias, weight([c]), weight([c], 0.5, 2)])
    }
    let m = graph.addParameter(name: "mean", tensor([c])), s = graph.addParameter(name: "var", tensor([c], 0.5, 1))
    let o = graph.addNode("BatchNormalization", [v, scale, bias, m, s], attributes: ["training_mode": .int(1)], outputCount: 3)
    graph.updates += [ParameterUpdate(parameter: m, newValue: o[1]), ParameterUpdate(parameter: s, newValue: o[2])]
    return o[0]
  }
  mutating func op(_ t: String, _ v: ValueID..., a: [ByteString: Attribute] = [:]) -> ValueID {
    graph.addNode(t, v, attributes: a)
  }
  mutating func finish(_ title: String, _ outputs: [ValueID], extents: (Int, Int) = (12, 11)) {
    do {
      graph.outputs = outputs
      let input = try tensor([2, channels, extents.0, extents.1], -1, 1).converted(to: type)
      if trains {
        let sums = outputs.map { graph.addNode("ReduceSum", [graph.addNode("Mul", [$0, graph.addNode("Sigmoid", [$0])])], attributes: ["keepdims": .int(0)]) }
        let loss = sums.count == 1 ? sums[0] : graph.addNode("Sum", sums)
        graph.outputs = [loss]
        try graph.inferTypes()
        let targets = parameters + [x]
        let gradients = try GradientPass.append(to: &graph, loss: loss, targets: targets)
        graph.outputs = [loss] + targets.compactMap { gradients[$0] }
      }
      try graph.inferTypes()
      dump(title, graph, [input])
    } catch { print("== \(title) error: \(error)") }
  }
}
let square: [ByteString: Attribute] = ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])]
let three: [ByteString: Attribute] = ["kernel_shape": .ints([3, 3]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]
func dumpAll() {
for trains in [false, true] {
  for type in trains ? [ElementType.float] : [.float, .float16] {
    for c in [3, 16, 20, 32, 40] {
      for activation in ["Relu", "Clip", "HardSwish", "Sigmoid", "LeakyRelu", "Softplus", "Neg"] {
        func t(_ n: String) -> String { "\(n) \(trains) \(type) \(c) \(activation)" }
        var n = Net(c, trains: trains, type: type)
        // Residual network
        var v = n.conv(n.x, c, 20)
        v = n.bn(v, 20)
        v = n.op(activation, v)
        let r = v
        v = n.conv(v, 20, 20)
        v = n.bn(v, 20)
        v = n.op("Add", v, r)
        v = n.op(activation, v)
        v = n.op("MaxPool", v, a: three)
        v = n.conv(v, 20, 40, s: [2, 2], bias: false)
        v = n.op("GlobalAveragePool", v)
        n.finish(t("residual"), [v])
        // Pool behind an activation, plain normalization
        n = Net(c, trains: trains, type: type)
        v = n.conv(n.x, c, 36)
        v = n.op(activation, v)
        v = n.op("MaxPool", v, a: square)
        v = n.bn(v, 36)
        v = n.op(activation, v)
        v = n.conv(v, 36, 36, k: 3, g: 36)
        v = n.op(activation, v)
        v = n.conv(v, 36, 36, k: 3, g: 36, s: [2, 2])
        v = n.conv(v, 36, 24, k: 1)
        v = n.op("AveragePool", v, a: three)
        n.finish(t("depthwise"), [v])
        // Concat, Split, LRN, strides, groups
        n = Net(c, trains: trains, type: type)
        let a = n.conv(n.x, c, 32, k: 1, s: [2, 2])
        let b = n.conv(n.x, c, 20, k: 3, s: [2, 2])
        v = n.op("Concat", n.op(activation, a), b, a: ["axis": .int(1)])
        if !trains || true { v = n.op("LRN", v, a: ["size": .int(5), "alpha": .float(0.1)]) }
        v = n.conv(v, 52, 52, k: 3, g: 2)
        let parts = n.graph.addNode("Split", [v, ints([32, 20], &n.graph)], attributes: ["axis": .int(1)], outputCount: 2)
        n.finish(t("concat"), [n.op(activation, parts[0]), n.op("MaxPool", parts[1], a: square)])
        // Shuffle and gates
        n = Net(c, trains: trains, type: type)
        v = n.conv(n.x, c, 60, k: 1)
        v = n.op("Reshape", v, ints([2, 3, 20, 12, 11], &n.graph))
        v = n.op("Transpose", v, a: ["perm": .ints([0, 2, 1, 3, 4])])
        v = n.op("Reshape", v, ints([2, 60, 12, 11], &n.graph))
        v = n.conv(v, 60, 60, g: 60)
        let column = n.weight([60, 1, 1], 0.5, 1)
        let gate = n.op("HardSigmoid", n.conv(n.op("Relu", n.conv(n.op("GlobalAveragePool", v), 60, 20, k: 1)), 20, 60, k: 1))
        v = n.op("Mul", v, gate)
        v = n.op("Div", v, column)
        v = n.op(activation, v)
        n.finish(t("gates"), [n.conv(v, 60, 20, d: 2)])
      }
    }
  }
}
}
if CommandLine.arguments.count > 1 { examples() } else { dumpAll() }
