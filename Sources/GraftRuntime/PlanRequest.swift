import GraftExecution
import GraftGraph
import GraftTensor

/// The key of a plan: nodes, the types of their inputs, and contents where shapes depend on them.
struct PlanRequest: Sendable {
  struct Input: Sendable {
    var id: ValueID
    var type: ValueType
    /// Its contents, where shapes depend on them.
    var contents: Tensor?
  }

  /// By index in the graph; `nil` for all of them, in the first plan of a chain.
  let nodes: [Int]?
  let inputs: [Input]
  /// The inputs that are the same memory as outputs where a step updates them, by output.
  var carried: [Int: Int] = [:]
  /// Whether the outputs in ``carried`` are in the memory of their inputs in any case.
  var sharesMemory = false

  /// - Parameters:
  ///   - contents: the inputs whose contents determine shapes; they are copied
  ///   - shared: the inputs in whose memory outputs are, by output
  ///   - graph: tells the types of values without elements
  init(
    nodes: [Int]?, ids: [ValueID], values: [RuntimeValue], contents: Set<ValueID>,
    shared: [Int: Int], in graph: Graph
  ) throws {
    self.nodes = nodes
    carried = shared
    sharesMemory = !shared.isEmpty
    inputs = try zip(ids, values).map { id, value in
      Input(
        id: id, type: value.staticType(declared: graph[id].type),
        contents: contents.contains(id) ? try value.tensor.copied() : nil)
    }
  }

  /// All nodes, for inputs of these types.
  init(_ inputs: [(id: ValueID, type: ValueType)]) {
    nodes = nil
    self.inputs = inputs.map { Input(id: $0.id, type: $0.type) }
  }

  /// All nodes, for what is known of the inputs.
  init(inputs: [Input], carried: [Int: Int] = [:]) {
    nodes = nil
    self.inputs = inputs
    self.carried = carried
  }

  /// Whether a plan for this request matches these nodes and values, with outputs in the memory of
  /// these inputs. Allocates nothing.
  func fits(_ values: [RuntimeValue], nodes: [Int]?, shared: [Int: Int]) -> Bool {
    guard nodes == self.nodes, shared == carried else { return false }
    for (input, value) in zip(inputs, values) {
      guard case .tensor(let tensor) = value else {
        if !input.type.accepts(value) { return false }
        continue
      }
      guard case .tensor(let type) = input.type, type.accepts(tensor) else { return false }
      if let contents = input.contents {
        let isSame = tensor.withUnsafeBytes { a in
          contents.withUnsafeBytes { b in a.elementsEqual(b) }
        }
        if !isSame { return false }
      }
    }
    return true
  }

  /// Whether this request is about these inputs, with the contents of these. Links of a chain may
  /// have the same nodes and differ in the contents alone.
  func asks(for ids: [ValueID], contents: Set<ValueID>) -> Bool {
    inputs.map(\.id) == ids
      && inputs.allSatisfy { ($0.contents != nil) == contents.contains($0.id) }
  }

  /// The bytes of the request.
  var byteCount: Int {
    (nodes?.count ?? 0) * MemoryLayout<Int>.stride
      + inputs.reduce(0) { $0 + ($1.contents?.byteCount ?? 0) }
  }
}
