import GraftTensor

/// A constant that parameterizes a node.
package enum Attribute: Sendable {
  case int(Int)
  case float(Float)
  case string(String)
  case tensor(Tensor)
  case sparseTensor(SparseTensor)
  case graph(Graph)
  case type(ValueType)
  case ints([Int])
  case floats([Float])
  case strings([String])
  case tensors([Tensor])
  case sparseTensors([SparseTensor])
  case graphs([Graph])
  case types([ValueType])

  /// The name of the kind, for messages.
  package var kind: String {
    switch self {
    case .int: "int"
    case .float: "float"
    case .string: "string"
    case .tensor: "tensor"
    case .sparseTensor: "sparse tensor"
    case .graph: "graph"
    case .type: "type"
    case .ints: "ints"
    case .floats: "floats"
    case .strings: "strings"
    case .tensors: "tensors"
    case .sparseTensors: "sparse tensors"
    case .graphs: "graphs"
    case .types: "types"
    }
  }
}

/// A tensor that stores only some of its elements.
///
/// Source: `SparseTensorProto`, <https://onnx.ai/onnx/api/classes.html#sparsetensorproto>
package struct SparseTensor: Sendable {
  /// `[count]`
  package var values: Tensor
  /// int64 `[count]` (linear) or `[count, rank]`
  package var indices: Tensor
  package var shape: Shape

  package init(values: Tensor, indices: Tensor, shape: Shape) {
    self.values = values
    self.indices = indices
    self.shape = shape
  }
}
