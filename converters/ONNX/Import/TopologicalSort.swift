import GraftExecution
import GraftFiles
import GraftOperators

/// Sorts nodes so that each comes after those whose outputs it reads.
enum TopologicalSort {
  /// The indices of the nodes in a runnable order; their own order if it already is one.
  ///
  /// - Throws: `GraftError` naming the nodes of a cycle, or two nodes that compute the same value
  static func order(_ nodes: [Onnx_NodeProto]) throws -> [Int] {
    var producers: [ByteString: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for output in node.output where !output.isEmpty {
        if let other = producers.updateValue(index, forKey: ByteString(output)) {
          throw GraftError.badData(
            "\(nodes[other].label) and \(node.label) both compute '\(output)'")
        }
      }
    }
    let dependencies = nodes.map { node in
      node.readNames.compactMap { producers[$0] }
    }
    let isSorted = dependencies.enumerated().allSatisfy { index, places in
      places.allSatisfy { $0 < index }
    }
    if isSorted { return Array(nodes.indices) }
    return try depthFirst(dependencies) { nodes[$0].label }
  }

  private static func depthFirst(
    _ dependencies: [[Int]], label: (Int) -> String
  ) throws -> [Int] {
    enum Mark { case new, open, done }
    var marks = [Mark](repeating: .new, count: dependencies.count)
    var order: [Int] = []
    // The nodes being visited, each with the number of dependencies done; an explicit stack, since
    // a chain can be as long as the model.
    var path: [(node: Int, next: Int)] = []
    for start in dependencies.indices where marks[start] == .new {
      path.append((start, 0))
      marks[start] = .open
      while let (node, next) = path.last {
        guard next < dependencies[node].count else {
          marks[node] = .done
          order.append(node)
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let dependency = dependencies[node][next]
        switch marks[dependency] {
        case .done: continue
        case .new:
          marks[dependency] = .open
          path.append((dependency, 0))
        case .open:
          let cycle = path.map(\.node).drop { $0 != dependency }
          throw GraftError.badData("the graph has a cycle: \(describe(Array(cycle), label))")
        }
      }
    }
    return order
  }

  private static func describe(_ cycle: [Int], _ label: (Int) -> String) -> String {
    let shown = 8
    // Each node of the path reads from the next one; data flows the other way.
    var labels = cycle.prefix(shown).map(label)
    if cycle.count > shown {
      labels.append("\(cycle.count - shown) more")
    } else {
      labels.append(labels[0])
    }
    return labels.joined(separator: " reads from ")
  }
}

extension Onnx_NodeProto {
  /// The names that a node reads: its inputs, the free names of its bodies, and what a Gradient
  /// differentiates.
  fileprivate var readNames: [ByteString] {
    var names = input.filter { !$0.isEmpty }.map { ByteString($0) }
    if opType == Gradient.schema.name, domain == Gradient.schema.domain {
      for attribute in attribute {
        names += (attribute.strings + [attribute.s]).map {
          ByteString(String(decoding: $0, as: UTF8.self))
        }
      }
    }
    for attribute in attribute {
      if attribute.hasG { names += attribute.g.freeNames }
      for graph in attribute.graphs { names += graph.freeNames }
    }
    return names
  }
}

extension Onnx_GraphProto {
  /// The names that a body reads but does not define.
  fileprivate var freeNames: Set<ByteString> {
    var defined = Set(input.map { ByteString($0.name) })
    defined.formUnion(initializer.map { ByteString($0.name) })
    defined.formUnion(sparseInitializer.map { ByteString($0.values.name) })
    var read = Set(output.map { ByteString($0.name) })
    for node in node {
      defined.formUnion(node.output.map { ByteString($0) })
      read.formUnion(node.readNames)
    }
    return read.subtracting(defined)
  }
}
