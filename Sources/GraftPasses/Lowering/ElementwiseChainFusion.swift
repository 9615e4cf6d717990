import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Fuses elementwise operators that pass floats of one shape to each other into one node, so that
/// memory is read and written once for all of them.
///
/// Values with readers outside remain. The results are bit for bit the same.
package enum ElementwiseChainFusion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    let consumers = graph.consumers()
    let counts = graph.useCounts()
    var chains: [Int: Chain] = [:]
    var taken: Set<Int> = []
    for index in graph.nodes.indices.reversed() where !taken.contains(index) {
      guard let root = try Link(graph.nodes[index], in: graph) else { continue }
      var chain = Chain(root, at: index)
      while let next = try chain.nextProducer(graph, producers, consumers, counts, taken) {
        chain.links[next.index] = next.link
      }
      guard chain.links.count > 1 else { continue }
      taken.formUnion(chain.links.keys)
      chains[index] = chain
    }
    for (index, chain) in chains.sorted(by: { $0.key < $1.key }) {
      graph.nodes[index] = try chain.node(name: graph.nodes[index].name, in: &graph)
    }
    graph.removeNodes(at: taken.subtracting(chains.keys))
    return !chains.isEmpty
  }
}

/// A node that can be part of a chain, as steps of a fused operator.
private struct Link {
  enum Operand {
    case value(ValueID)
    /// The result of the link's previous step.
    case previous
    /// A constant that the pass adds: an omitted bound, or converted parameters.
    case constant(Tensor)
  }

  struct Step {
    let name: String
    let operands: [Operand]
  }

  let steps: [Step]
  let attributes: [ByteString: Attribute]
  let output: ValueID
  /// The values of the output's shape that the node reads; the others are broadcast.
  let sources: [ValueID]

  /// `nil` if a chain cannot contain the node.
  init?(_ node: Node, in graph: Graph) throws {
    guard node.outputs.count == 1, let output = node.outputs[0],
      graph.elementType(output) == .float, let type = OperatorCatalog.type(of: node)
    else { return nil }
    let inputs = node.inputs.compactMap { $0 }
    guard let first = inputs.first else { return nil }
    let full = inputs.filter { graph.haveSameShape($0, output) }
    let isFirstFull = full.contains(first)
    self.output = output
    if type is Clip.Type {
      let context = graph.inferenceContext(of: node)
      guard isFirstFull, let low = try context.constantScalar(1, default: -.infinity),
        let high = try context.constantScalar(2, default: .infinity)
      else { return nil }
      let bounds = try [low, high].map { Operand.constant(try Tensor(scalar: $0)) }
      steps = [Step(name: type.schema.name, operands: [.value(first)] + bounds)]
      attributes = [:]
      sources = [first]
    } else if let operation = try node.operation(as: BatchNormalization.self) {
      guard isFirstFull, let parameters = try Self.parameters(of: operation, node, in: graph)
      else { return nil }
      steps = [
        Step(
          name: FusibleElementwise.normalizeName,
          operands: [.value(first)] + parameters.map { .constant($0) })
      ]
      attributes = [:]
      sources = [first]
    } else if inputs.count == 1 {
      guard isFirstFull, FusibleElementwise.isUnary(type, AttributeReader(node.attributes)) else {
        return nil
      }
      steps = [Step(name: type.schema.name, operands: [.value(first)])]
      attributes = node.attributes
      sources = full
    } else if FusibleElementwise.isBinary(type) {
      guard inputs.count == node.inputs.count, inputs.count <= 4,
        isFirstFull || !(type is PRelu.Type) && full.contains(inputs[1])
      else { return nil }
      steps = inputs.indices.dropFirst().map { index in
        Step(
          name: type.schema.name,
          operands: [index == 1 ? .value(first) : .previous, .value(inputs[index])])
      }
      attributes = [:]
      sources = full
    } else {
      return nil
    }
  }

  /// The mean, scale and shift of an inference BatchNormalization with constant statistics, one
  /// element per channel, computed as in its own kernel.
  private static func parameters(
    of operation: BatchNormalization, _ node: Node, in graph: Graph
  ) throws -> [Tensor]? {
    guard node.inputs.count == 5, !operation.isTraining, let rank = graph.rank(node.inputs[0]),
      rank > 1
    else { return nil }
    var vectors: [[Float]] = []
    for input in node.inputs.dropFirst() {
      guard let tensor = graph.constant(input), tensor.elementType == .float else { return nil }
      vectors.append(try (tensor.isAligned ? tensor : tensor.copied()).elements())
    }
    let channelCount = vectors[0].count
    guard vectors.allSatisfy({ $0.count == channelCount }) else { return nil }
    let scale = (0..<channelCount).map {
      vectors[0][$0] / (vectors[3][$0] + Float(operation.epsilon)).squareRoot()
    }
    let shape = [channelCount] + [Int](repeating: 1, count: rank - 2)
    return try [vectors[2], scale, vectors[1]].map { try Tensor($0, shape: shape) }
  }
}

/// Links that end in one output.
private struct Chain {
  let rootIndex: Int
  let output: ValueID
  /// By the index of their nodes.
  var links: [Int: Link]

  init(_ root: Link, at index: Int) {
    rootIndex = index
    output = root.output
    links = [index: root]
  }

  /// A node whose result has the chain's shape, and is only read by this chain.
  func nextProducer(
    _ graph: Graph, _ producers: [ValueID: Int], _ consumers: [ValueID: [Int]],
    _ counts: [ValueID: Int], _ taken: Set<Int>
  ) throws -> (index: Int, link: Link)? {
    for (_, link) in links.sorted(by: { $0.key > $1.key }) {
      for value in link.sources {
        guard let index = producers[value], links[index] == nil, !taken.contains(index),
          let readers = consumers[value], readers.count == counts[value],
          readers.allSatisfy({ links[$0] != nil }),
          let producer = try Link(graph.nodes[index], in: graph),
          graph.haveSameShape(value, output)
        else { continue }
        var grown = self
        grown.links[index] = producer
        if grown.fits { return (index, producer) }
      }
    }
    return nil
  }

  private var fits: Bool {
    let stepCount = links.values.reduce(0) { $0 + $1.steps.count }
    let made = Set(links.values.map(\.output))
    var read: Set<ValueID> = []
    var constantCount = 0
    for operand in links.values.flatMap({ $0.steps.flatMap(\.operands) }) {
      switch operand {
      case .value(let value): if !made.contains(value) { read.insert(value) }
      case .constant: constantCount += 1
      case .previous: break
      }
    }
    return stepCount <= FusibleElementwise.maximumStepCount
      && read.count + constantCount <= FusibleElementwise.maximumInputCount
  }

  /// The fused node.
  func node(name: String, in graph: inout Graph) throws -> Node {
    var inputs: [ValueID] = []
    var operators: [String] = []
    var operands: [Int] = []
    var attributes: [ByteString: Attribute] = [:]
    var resultStep: [ValueID: Int] = [:]
    func number(ofInput value: ValueID) -> Int {
      if let index = inputs.firstIndex(of: value) { return index }
      inputs.append(value)
      return inputs.count - 1
    }
    for (_, link) in links.sorted(by: { $0.key < $1.key }) {
      for step in link.steps {
        for operand in step.operands {
          let place =
            switch operand {
            case .value(let value):
              resultStep[value].map { ElementwiseOperand.result(ofStep: $0) }
                ?? .input(number(ofInput: value))
            case .previous: ElementwiseOperand.result(ofStep: operators.count - 1)
            case .constant(let tensor):
              ElementwiseOperand.input(number(ofInput: graph.addConstant(tensor)))
            }
          operands.append(place.number)
        }
        for (name, attribute) in link.attributes {
          attributes["\(operators.count).\(name)"] = attribute
        }
        operators.append(step.name)
      }
      resultStep[link.output] = operators.count - 1
    }
    attributes["operators"] = .strings(operators)
    attributes["operands"] = .ints(operands)
    return Node(
      name: name, operatorType: "FusedElementwise", domain: "graft", inputs: inputs,
      outputs: [output], attributes: attributes)
  }
}
