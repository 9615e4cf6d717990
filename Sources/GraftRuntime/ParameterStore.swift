import GraftGraph
import GraftTensor

/// The current values of a graph's parameters. One writer at a time.
package final class ParameterStore: @unchecked Sendable {
  /// Memory at fixed addresses, which updates write to.
  private let tensors: [ValueID: Tensor]

  /// Starts with copies of the graph's initial values.
  package init(_ graph: Graph) throws {
    tensors = try graph.parameters.mapValues { try $0.copied() }
  }

  /// For graphs that are planned but do not run.
  package static let empty = ParameterStore([:])

  private init(_ tensors: [ValueID: Tensor]) { self.tensors = tensors }

  package func tensor(_ id: ValueID) -> Tensor? { tensors[id] }
}
