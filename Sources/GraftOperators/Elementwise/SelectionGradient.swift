import GraftGraph

extension GradientBuilder {
  /// The gradients of Min and Max: the output's gradient is divided equally among the inputs that
  /// equal the output.
  mutating func setGradientsOfSelectedInputs() throws {
    let output = try output(0)
    let zero = try addScalar(0, like: output)
    let one = try addScalar(1, like: output)
    var shares: [ValueID] = []
    for index in node.inputs.indices {
      let isSelected = add("Equal", [try input(index), output])
      shares.append(add("Where", [isSelected, one, zero]))
    }
    let count = add("Sum", shares)
    let part = add("Div", [try outputGradient(), count])
    for index in node.inputs.indices where needs(index) {
      try setBroadcastInputGradient(index, add("Mul", [part, shares[index]]))
    }
  }
}
