import GraftGraph
import GraftTensor

/// The current values of a graph's parameters. One writer at a time.
package final class ParameterStore: @unchecked Sendable {
  /// Memory of fixed address, which updates write into.
  private let tensors: [ValueID: Tensor]

  /// Starts with copies of the graph's first values.
  package init(_ graph: Graph) throws {
    tensors = try graph.parameters.mapValues { try $0.copied() }
  }

  /// Of graphs that are planned and do not run.
  package static let empty = ParameterStore([:])

  private init(_ tensors: [ValueID: Tensor]) { self.tensors = tensors }

  package func tensor(_ id: ValueID) -> Tensor? { tensors[id] }
}
