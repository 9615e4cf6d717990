import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``QLinearConv`` with channels last, and with bounds that take the place of an activation.
///
/// Inputs are those of QLinearConv; image and result are [N, …, C]. With `planar_input` the image
/// is [N, C, …], with `planar_output` the result is. A bias of floats is added to the real numbers
/// that sums stand for. `bounds` are the lowest and the highest result.
package struct QuantizedConv: Operator {
  package static let schema = OperatorSchema(
    "QuantizedConv", domain: "graft", since: [1], inputs: 8...9)
  package static let isLaborious = true

  private let attributes: ConvolutionAttributes
  private let layout: IntegerConvolution.Layout
  private let bounds: ClosedRange<Int32>?

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    layout = IntegerConvolution.Layout(
      isImageChannelsLast: try !attributes.flag("planar_input"),
      isResultChannelsLast: try !attributes.flag("planar_output"))
    bounds = try Requantization.bounds(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    var image = try context.input(0).shape
    if layout.isImageChannelsLast { image = image?.channelsFirst }
    var shape = try attributes.inferQuantizedConvolution(
      &context, image: image, biasTypes: [.int32, .float])
    if layout.isResultChannelsLast { shape = shape?.channelsLast }
    context.setOutput(0, try context.elementType(7), shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (image, output) = (try context.input(0).shape, try context.output(0).shape)
    guard output.elementCount > 0 else { return .tasks(0) { _, _ in } }
    let problem = try ConvolutionProblem.convolution(
      attributes, image: layout.isImageChannelsLast ? image.channelsFirst : image,
      weights: try context.input(3).shape,
      output: layout.isResultChannelsLast ? output.channelsFirst : output)
    var requantization = try Requantization(
      leftScale: 1, rightScale: 4, scale: 6, zeroPoint: 7, context)
    requantization.bounds = bounds
    return try IntegerConvolution(
      problem, .quantized, .bytes(requantization), layout, context
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    let parameters: [Tensor?] = [
      .floats([0.5], []), .example([1] as [Int8], []),
      .example([1, 2, 3, 4, -1, 0, 2, 1] as [Int8], [2, 2, 2]), .floats([1, 0.5], [2]),
      .example([0, 0] as [Int8], [2]), .floats([2], []), .example([3] as [Int8], []),
      .example([2, -100] as [Int32], [2]),
    ]
    let attributes: [ByteString: Attribute] = ["pads": .ints([0, 1]), "strides": .ints([2])]
    return [
      OperatorExample(
        "as QLinearConv", attributes: attributes,
        inputs: [.example([1, 4, -2, 5, 3, -6] as [Int8], [1, 3, 2])] + parameters,
        outputs: [.example([8, -8, -1, -11] as [Int8], [1, 2, 2])]),
      OperatorExample(
        "bounds, with channels first",
        attributes: attributes.merging([
          "planar_input": .int(1), "planar_output": .int(1), "bounds": .ints([-9, 3]),
        ]) { $1 },
        inputs: [.example([1, -2, 3, 4, 5, -6] as [Int8], [1, 2, 3])] + parameters,
        outputs: [.example([3, -1, -8, -9] as [Int8], [1, 2, 2])]),
      // Sums 19, -19 and 10, -16 times 0.25 and 0.125
      OperatorExample(
        "a bias of floats", attributes: attributes,
        inputs: [.example([1, 4, -2, 5, 3, -6] as [Int8], [1, 3, 2])] + parameters.dropLast()
          + [.floats([0.6, -25.1], [2])],
        outputs: [.example([8, -8, -1, -12] as [Int8], [1, 2, 2])]),
    ]
  }
}

extension Array {
  /// A shape [N, …, C] as [N, C, …].
  package var channelsFirst: Self {
    count < 3 ? self : [self[0], self[count - 1]] + self[1..<count - 1]
  }

  /// A shape [N, C, …] as [N, …, C].
  package var channelsLast: Self { count < 3 ? self : [self[0]] + self[2...] + [self[1]] }
}
