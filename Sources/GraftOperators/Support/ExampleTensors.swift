import GraftTensor

extension Tensor {
  /// For examples: a tensor that is right by construction.
  static func example<Element: TensorElement>(_ elements: [Element], _ shape: Shape)
    -> Tensor
  {
    try! Tensor(elements, shape: shape)
  }

  /// For examples: a tensor of strings.
  static func strings(_ elements: [String], _ shape: Shape) -> Tensor {
    try! Tensor(strings: elements, shape: shape)
  }
}
