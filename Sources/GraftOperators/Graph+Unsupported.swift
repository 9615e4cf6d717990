import GraftFiles
import GraftGraph

extension Graph {
  /// An operator that Graft does not support.
  package struct UnsupportedOperator: Hashable, Sendable, CustomStringConvertible {
    package let domain: String
    package let name: String
    package var nodeCount: Int

    package init(domain: String, name: String, nodeCount: Int) {
      self.domain = domain
      self.name = name
      self.nodeCount = nodeCount
    }

    /// Including its domain, as in `ai.onnx.ml.Scaler`.
    package var qualifiedType: String { domain.isEmpty ? name : "\(domain).\(name)" }

    package var description: String {
      nodeCount == 1 ? qualifiedType : "\(qualifiedType) (\(nodeCount) nodes)"
    }
  }

  /// The operators of the graph and its bodies that Graft does not support, by name.
  ///
  /// - Parameter isSupported: whether a node's operator is supported
  package func unsupportedOperators(
    where isSupported: (Node) -> Bool = { OperatorCatalog.type(of: $0) != nil }
  ) -> [UnsupportedOperator] {
    var counts: [String: UnsupportedOperator] = [:]
    countUnsupported(&counts, isSupported)
    return counts.values.sorted { $0.qualifiedType < $1.qualifiedType }
  }

  /// - Parameter isSupported: whether a node's operator is supported
  /// - Throws: `GraftError` that lists all unsupported operators
  package func requireSupportedOperators(
    where isSupported: (Node) -> Bool = { OperatorCatalog.type(of: $0) != nil }
  ) throws {
    let missing = unsupportedOperators(where: isSupported)
    guard !missing.isEmpty else { return }
    throw GraftError.unsupportedOperators(missing, functions: provenance.functionNames)
  }

  private func countUnsupported(
    _ counts: inout [String: UnsupportedOperator], _ isSupported: (Node) -> Bool
  ) {
    for node in nodes {
      if !isSupported(node) {
        counts[
          node.qualifiedType,
          default: UnsupportedOperator(
            domain: node.domain, name: node.operatorType, nodeCount: 0)
        ].nodeCount += 1
      }
      for body in node.bodies { body.countUnsupported(&counts, isSupported) }
    }
  }
}

extension GraftError {
  /// Names the operators, and what their domains belong to.
  ///
  /// - Parameter functions: the functions that the model's file defines, with their domains
  package static func unsupportedOperators(
    _ operators: [Graph.UnsupportedOperator], functions: [ByteString]
  ) -> GraftError {
    let sorted = operators.sorted { $0.qualifiedType < $1.qualifiedType }
    let names = sorted.map(\.description).listed(limit: 100)
    let byDomain = Dictionary(grouping: sorted, by: \.domain).sorted { $0.key < $1.key }
    let origins = byDomain.map { domain, operators in
      OperatorOrigin.description(of: domain, operators.map(\.name), functions: functions)
    }
    return .unsupported(
      "uses operators that are not supported: \(names)", hint: origins.joined(separator: ". "))
  }
}
