import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// The operators of a model, for messages that name all that stands in the way at once.
struct OperatorSurvey {
  /// Operators that Graft does not know, by domain and name.
  private var unknown: [String: UnsupportedOperator] = [:]
  /// Operators that are newer than the operator set of the nodes.
  private var newer: [NewerOperator: Int] = [:]

  private typealias UnsupportedOperator = Graph.UnsupportedOperator

  private struct NewerOperator: Hashable {
    let qualifiedType: String
    let domain: String
    let opset: Int
    /// The first version with the operator.
    let first: Int
  }

  /// - Parameters:
  ///   - opsets: the versions of the model's operator sets
  ///   - functions: its functions, of which those count that are called
  init(
    _ model: Onnx_ModelProto, opsets: [ByteString: Int],
    functions: [FunctionName: Onnx_FunctionProto]
  ) {
    var called: Set<FunctionName> = []
    var open: [FunctionName] = []
    count(model.graph.node, opsets, functions, &open)
    while let name = open.popLast() {
      guard called.insert(name).inserted, let function = functions[name] else { continue }
      let own = opsets.merging(Self.versions(function.opsetImport)) { $1 }
      count(function.node, own, functions, &open)
    }
  }

  private static func versions(_ imports: [Onnx_OperatorSetIdProto]) -> [ByteString: Int] {
    Dictionary(
      imports.map { (ByteString(canonicalDomain($0.domain)), Int($0.version)) },
      uniquingKeysWith: max)
  }

  private mutating func count(
    _ nodes: [Onnx_NodeProto], _ opsets: [ByteString: Int],
    _ functions: [FunctionName: Onnx_FunctionProto], _ open: inout [FunctionName]
  ) {
    nodes.forEachNode { node in
      let name = FunctionName(node)
      guard functions[name] == nil else {
        open.append(name)
        return
      }
      let domain = name.domain.text
      guard let schema = OperatorCatalog.type(node.opType, domain: domain)?.schema else {
        let key = domain.isEmpty ? node.opType : "\(domain).\(node.opType)"
        let none = UnsupportedOperator(domain: domain, name: node.opType, nodeCount: 0)
        unknown[key, default: none].nodeCount += 1
        return
      }
      let opset = opsets[name.domain] ?? 0
      guard let first = schema.since.first, first > opset else { return }
      newer[
        NewerOperator(
          qualifiedType: schema.qualifiedName, domain: domain, opset: opset, first: first),
        default: 0] += 1
    }
  }

  /// - Throws: `GraftError` that lists the operators that the model's operator sets do not have
  func requireForms() throws {
    guard !newer.isEmpty else { return }
    let sorted = newer.sorted {
      ($0.key.qualifiedType, $0.key.opset) < ($1.key.qualifiedType, $1.key.opset)
    }
    let names = sorted.map { operation, count in
      let set = operation.domain.isEmpty ? "opset" : "version"
      let reason =
        operation.opset == 0
        ? "the model imports no \(operation.domain.isEmpty ? "ai.onnx" : operation.domain)"
        : "\(set) \(operation.first), the model has \(operation.opset)"
      return "\(operation.qualifiedType) (\(count == 1 ? "" : "\(count) nodes; ")\(reason))"
    }
    throw GraftError.badData(
      "uses operators that its operator sets do not have: "
        + names.listed(limit: Self.listLimit),
      hint: "Correct the opset_import of the file, or export it again")
  }

  /// An error of the import with all unknown operators, whose unknown results may be its cause.
  ///
  /// - Parameter functions: the functions that the model's file defines
  func explained(_ error: GraftError, functions: [ByteString]) -> GraftError {
    guard error.code == .unavailable, !unknown.isEmpty else { return error }
    var explained = GraftError.unsupportedOperators(Array(unknown.values), functions: functions)
    let reason = (error.places + [error.message]).joined(separator: ": ")
    explained.message += "; also, \(reason)"
    return explained
  }

  private static let listLimit = 100
}
