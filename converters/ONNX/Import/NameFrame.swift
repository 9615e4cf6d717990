import GraftFiles
import GraftGraph
import GraftOperators

/// A graph under construction: the model's, or the body of a node.
final class GraphLevel {
  var upgrader: NodeUpgrader

  init(name: String, isBody: Bool, keepsOlderForms: Bool) {
    upgrader = NodeUpgrader(
      graph: Graph(name: name), isBody: isBody, keepsOlderForms: keepsOlderForms)
  }

  var graph: Graph {
    get { upgrader.graph }
    _modify { yield &upgrader.graph }
  }
}

/// The meaning of names in a scope: a graph, a body, or one call of a function.
final class NameFrame {
  /// The meaning of a name.
  enum Meaning {
    case value(ValueID)
    /// An optional parameter of a function that the caller omitted.
    case absent
  }

  let level: GraphLevel
  /// For a body, the enclosing scope, whose names are visible.
  let outer: NameFrame?
  /// The function call that contains these nodes, directly or in a body.
  let call: FunctionCall?
  /// Versions of the operator sets, by domain.
  let opsets: [ByteString: Int]
  /// The number of enclosing calls and bodies.
  let depth: Int
  private var meanings: [ByteString: Meaning] = [:]
  /// Values chosen for names before a node computes them: the outputs of a function.
  var reserved: [ByteString: ValueID] = [:]
  /// Types declared in the file.
  var declarations: [ByteString: Onnx_ValueInfoProto] = [:]

  init(
    level: GraphLevel, outer: NameFrame?, call: FunctionCall?, opsets: [ByteString: Int],
    depth: Int
  ) {
    self.level = level
    self.outer = outer
    self.call = call
    self.opsets = opsets
    self.depth = depth
  }

  /// - Throws: `GraftError` if the name is already defined in this frame
  func define(_ name: String, _ meaning: Meaning) throws {
    guard meanings.updateValue(meaning, forKey: ByteString(name)) == nil else {
      throw GraftError.badData("defines the value '\(name)' twice")
    }
  }

  func defines(_ name: String) -> Bool { meanings[name] != nil }

  /// The meaning of a name here; a value of an enclosing graph is captured.
  func resolve(_ name: String) -> Meaning? {
    if let meaning = meanings[name] { return meaning }
    guard let outer, let meaning = outer.resolve(name) else { return nil }
    guard case .value(let value) = meaning else { return meaning }
    let original = outer.level.graph[value]
    let captured = level.graph.addValue(name: original.name, type: original.type)
    level.graph.captures[captured] = value
    level.upgrader.setContents(captured, outer.level.upgrader.contents(value))
    meanings[name] = .value(captured)
    return .value(captured)
  }

  /// The name in the graph of a value of this frame.
  ///
  /// - Throws: `GraftError` if such names take too much memory
  func graphName(_ name: String) throws -> String {
    guard let call else { return name }
    try call.budget.reserve(bytes: call.prefix.utf8.count + name.utf8.count)
    return call.prefix + name
  }
}

/// One call of a model-local function.
final class FunctionCall {
  let function: Onnx_FunctionProto
  let key: FunctionName
  /// The prefix of the names of everything that the call adds to the graph.
  let prefix: String
  /// The caller's attributes, or else the function's defaults.
  let attributes: [ByteString: Onnx_AttributeProto]
  let caller: FunctionCall?
  /// Each name in a call is a new string, which counts as memory.
  let budget: ImportBudget

  init(
    function: Onnx_FunctionProto, key: FunctionName, prefix: String,
    attributes: [ByteString: Onnx_AttributeProto], caller: FunctionCall?,
    budget: ImportBudget
  ) {
    self.function = function
    self.key = key
    self.prefix = prefix
    self.attributes = attributes
    self.caller = caller
    self.budget = budget
  }

  /// Whether this call is nested in one of the same function.
  func isInside(_ key: FunctionName) -> Bool {
    self.key == key || (caller?.isInside(key) ?? false)
  }
}
