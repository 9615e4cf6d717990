import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of a convolution's weights.
///
/// Inputs: image [N, C, …], output gradient [N, M, …], the weights' shape (int64). The attributes
/// are those of the Conv node. Its specification:
/// <https://onnx.ai/onnx/operators/onnx__Conv.html>
///
/// It is the product of the output gradient with the unrolled image, summed over positions and
/// images. Where that gives few tasks, the images are split, and the partial sums are added in
/// order.
package struct ConvolutionWeightGradient: Operator {
  package static let schema = OperatorSchema(
    "ConvolutionWeightGradient", domain: "graft", since: [1], inputs: 3...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true

  let attributes: ConvolutionAttributes

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.contents(2).integers()
    try ConvolutionAttributes.check(shape, of: "the weights")
    let weights = [Dimension](shape)
    context.setOutput(0, elementType, weights)
    let image = try context.shape(0)
    _ = try attributes.checkedKernel(weights: weights, imageRank: image.count)
    try attributes.checkGradient(try context.shape(1), image: image, weights: weights)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float, prepare)
    }
    let problem = try ConvolutionProblem.convolution(
      attributes, image: try context.input(0).shape, weights: try context.output(0).shape,
      output: try context.input(1).shape)
    return try WeightGradientKernel(
      problem: problem, element: elementType.requireKernelElement(),
      byteWidth: elementType.byteWidth, instructionSet: context.instructionSet
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two images",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6], [2, 1, 3]), .floats([1, -1, 2, 1], [2, 1, 2]),
          .integers([1, 1, 2], [3]),
        ],
        outputs: [.floats([12, 15], [1, 1, 2])]),
      OperatorExample(
        "padded, strided, two groups",
        attributes: ["pads": .ints([1, 1]), "strides": .ints([2]), "group": .int(2)],
        inputs: [
          .floats([1, 2, 3, 4, 5, 6], [1, 2, 3]), .floats([1, 2, 3, 4], [1, 2, 2]),
          .integers([2, 1, 3], [3]),
        ],
        outputs: [.floats([4, 7, 2, 20, 36, 15], [2, 1, 3])]),
    ]
  }
}
