import GraftFiles

/// A function of an imported model that stays one, as its file has it.
package struct KeptFunction: Sendable {
  package let name: FunctionName
  /// The functions that this one calls itself.
  package let callees: Set<FunctionName>
  /// The lowest IR version of a file with this function.
  package let irVersion: Int
  /// The definition, in the form of the module that reads and writes it.
  package let definition: any Sendable

  package init(
    name: FunctionName, callees: Set<FunctionName>, irVersion: Int, definition: any Sendable
  ) {
    self.name = name
    self.callees = callees
    self.irVersion = irVersion
    self.definition = definition
  }
}

/// The identity of a function of a model.
package struct FunctionName: Hashable, Sendable {
  package let domain: ByteString
  package let name: ByteString
  package let overload: ByteString

  package init(domain: ByteString, name: ByteString, overload: ByteString) {
    self.domain = domain
    self.name = name
    self.overload = overload
  }
}

extension Node {
  /// The function that the node calls, if it calls one.
  package var functionName: FunctionName {
    FunctionName(
      domain: ByteString(domain), name: ByteString(operatorType), overload: ByteString(overload))
  }
}

extension Graph {
  /// The functions that nodes, also those of bodies, call directly or through others.
  package var calledFunctions: [KeptFunction] {
    guard !functions.isEmpty else { return [] }
    let known = Dictionary(functions.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var called: Set<FunctionName> = []
    var open = functionNames.filter { known[$0] != nil }
    while let name = open.popFirst() {
      guard called.insert(name).inserted, let function = known[name] else { continue }
      open.formUnion(function.callees)
    }
    return functions.filter { called.contains($0.name) }
  }

  private var functionNames: Set<FunctionName> {
    nodes.reduce(into: []) { names, node in
      names.insert(node.functionName)
      for body in node.bodies { names.formUnion(body.functionNames) }
    }
  }
}
