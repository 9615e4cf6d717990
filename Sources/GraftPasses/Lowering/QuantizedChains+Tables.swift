import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension QuantizedChainRewriter {
  mutating func requantize(
    _ bytes: ValueID, _ source: TensorQuantization, _ output: ValueID,
    _ target: TensorQuantization
  ) throws {
    let table = (0..<256).map { code -> Int in
      let byte = source.elementType == .int8 ? Int(Int8(truncatingIfNeeded: code)) : code
      return target.byte(for: Float(byte - source.zeroPoint) * source.scale)
    }
    nodes.append(lookUp(bytes, try Tensor(bytes: table, target.elementType), output))
  }

  mutating func lookUp(_ bytes: ValueID, _ table: Tensor, _ output: ValueID) -> Node {
    Node(
      operatorType: "QuantizedLookup", domain: "graft",
      inputs: [bytes, graph.addConstant(table)], outputs: [output])
  }

  /// The most nodes that become one table.
  static let mostTabulated = 16

  /// Makes a table of elementwise nodes that depend on one dequantized value alone.
  mutating func tabulate(
    _ input: ValueID, _ output: ValueID, _ target: TensorQuantization, _ quantizer: Node
  ) throws -> Bool {
    var source: (value: ValueID, bytes: ValueID, parameters: TensorQuantization)?
    var indices: Set<Int> = []
    var open = [input]
    while let value = open.popLast() {
      if let found = try dequantized(value) {
        guard source == nil || source!.bytes == found.bytes else { return false }
        source = (value, found.bytes, found.parameters)
        continue
      }
      if let constant = graph.constants[value] {
        guard constant.elementCount == 1 else { return false }
        continue
      }
      guard let index = producers[value], let type = OperatorCatalog.type(of: graph.nodes[index]),
        type.operandCount > 0, graph.nodes[index].bodies.isEmpty,
        graph.nodes[index].outputs.count == 1, graph.elementType(value) == .float
      else { return false }
      guard indices.insert(index).inserted else { continue }
      guard indices.count <= Self.mostTabulated else { return false }
      open += graph.nodes[index].inputs.compactMap { $0 }
    }
    guard let source, graph.haveSameShape(source.bytes, output) || indices.isEmpty else {
      return false
    }
    if indices.isEmpty, source.parameters.isSame(as: target) {
      nodes.append(Node(operatorType: "Identity", inputs: [source.bytes], outputs: [output]))
      return true
    }
    guard let table = try table(indices.sorted(), of: source.parameters, quantizer) else {
      return false
    }
    nodes.append(lookUp(source.bytes, table, output))
    return true
  }

  /// The results of some nodes for all bytes; `nil` if they cannot be computed here.
  func table(
    _ indices: [Int], of source: TensorQuantization, _ quantizer: Node
  ) throws -> Tensor? {
    let codes = (0..<256).map {
      source.elementType == .int8 ? Int(Int8(truncatingIfNeeded: $0)) : $0
    }
    let numbers = try Tensor(
      codes.map { Float($0 - source.zeroPoint) * source.scale }, shape: [256])
    var known: [ValueID: Tensor] = [:]
    for index in indices + [-1] {
      let node = index < 0 ? quantizer : graph.nodes[index]
      var inputs: [RuntimeValue?] = []
      for input in node.inputs {
        guard let input else {
          inputs.append(nil)
          continue
        }
        // A constant of one element must not add axes.
        let constant = try graph.constants[input].map {
          $0.elementCount == 1 ? try $0.reshaped([]) : $0
        }
        inputs.append(.tensor(known[input] ?? constant ?? numbers))
      }
      let operation = try OperatorCatalog.make(node)
      guard operation.isDeterministic, let output = node.outputs[0],
        let result = try? evaluate(operation, inputs: inputs, wantedOutputs: [true])[0]?.tensor,
        result.elementCount == 256
      else { return nil }
      known[output] = try result.reshaped([256])
    }
    return quantizer.outputs[0].flatMap { known[$0] }
  }
}

extension Tensor {
  /// Bytes given as integers.
  fileprivate init(bytes: [Int], _ type: ElementType) throws {
    if type == .int8 {
      try self.init(bytes.map { Int8(truncatingIfNeeded: $0) }, shape: [bytes.count])
    } else {
      try self.init(bytes.map { UInt8(truncatingIfNeeded: $0) }, shape: [bytes.count])
    }
  }
}
