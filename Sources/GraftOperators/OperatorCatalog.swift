import GraftExecution
import GraftFiles
import GraftGraph

/// All operators of Graft. Each line is one file of this target.
package enum OperatorCatalog {
  package static let operators: [any Operator.Type] =
    activations + elementwise + neuralNetwork + shapes + reductions + training + blocked

  static let activations: [any Operator.Type] = [
    Abs.self,
    Acos.self,
    Acosh.self,
    Asin.self,
    Asinh.self,
    Atan.self,
    Atanh.self,
    BitwiseNot.self,
    Cast.self,
    CastLike.self,
    Ceil.self,
    Celu.self,
    Clip.self,
    Cos.self,
    Cosh.self,
    Dropout.self,
    DropoutGradient.self,
    Elu.self,
    Erf.self,
    Exp.self,
    Floor.self,
    Gelu.self,
    HardSigmoid.self,
    HardSwish.self,
    IsInf.self,
    IsNaN.self,
    LeakyRelu.self,
    Log.self,
    Mish.self,
    Neg.self,
    Not.self,
    Reciprocal.self,
    Relu.self,
    ReluGradient.self,
    ClipGradient.self,
    Round.self,
    RoundToType.self,
    Selu.self,
    Shrink.self,
    Sigmoid.self,
    Sign.self,
    Sin.self,
    Sinh.self,
    Softplus.self,
    Softsign.self,
    Sqrt.self,
    Swish.self,
    Tan.self,
    Tanh.self,
    ThresholdedRelu.self,
    TrainingDropout.self,
  ]

  static let elementwise: [any Operator.Type] = [
    Add.self,
    And.self,
    BitShift.self,
    BitwiseAnd.self,
    BitwiseOr.self,
    BitwiseXor.self,
    Div.self,
    Equal.self,
    FusedElementwise.self,
    Greater.self,
    GreaterOrEqual.self,
    Less.self,
    LessOrEqual.self,
    Max.self,
    Mean.self,
    Min.self,
    Mod.self,
    Mul.self,
    Or.self,
    PRelu.self,
    Pow.self,
    Sub.self,
    Sum.self,
    Where.self,
    Xor.self,
  ]

  static let neuralNetwork: [any Operator.Type] = [
    AveragePool.self,
    AveragePoolGradient.self,
    BatchNormalization.self,
    BatchNormalizationGradient.self,
    Conv.self,
    ConvTranspose.self,
    ConvolutionInputGradient.self,
    ConvolutionWeightGradient.self,
    TransposedKernel.self,
    FusedConv.self,
    BlockedConv.self,
    BlockedConvWeightGradient.self,
    FusedGemm.self,
    Gemm.self,
    GlobalAveragePool.self,
    GlobalLpPool.self,
    GlobalMaxPool.self,
    GroupNormalization.self,
    Hardmax.self,
    InstanceNormalization.self,
    LRN.self,
    LRNGradient.self,
    LayerNormalization.self,
    LogSoftmax.self,
    LpNormalization.self,
    LpPool.self,
    MatMul.self,
    MaxPool.self,
    MaxPoolGradient.self,
    MeanVarianceNormalization.self,
    NegativeLogLikelihoodLoss.self,
    NegativeLogLikelihoodLossGradient.self,
    RMSNormalization.self,
    Softmax.self,
    SoftmaxCrossEntropyLoss.self,
  ]

  static let shapes: [any Operator.Type] = [
    AffineGrid.self,
    CenterCropPad.self,
    Col2Im.self,
    Col2ImGradient.self,
    Compress.self,
    Concat.self,
    Constant.self,
    ConstantOfShape.self,
    DepthToSpace.self,
    Expand.self,
    EyeLike.self,
    Flatten.self,
    Gather.self,
    GatherElements.self,
    GatherGradient.self,
    GatherND.self,
    GatherNDGradient.self,
    GridSample.self,
    GridSampleGradient.self,
    Identity.self,
    NonZero.self,
    OneHot.self,
    Pad.self,
    PadGradient.self,
    RangeOperator.self,
    Reshape.self,
    Resize.self,
    ResizeGradient.self,
    ReverseSequence.self,
    Scatter.self,
    ScatterElements.self,
    ScatterND.self,
    ShapeOperator.self,
    Size.self,
    Slice.self,
    SliceGradient.self,
    SpaceToDepth.self,
    Split.self,
    Squeeze.self,
    Tile.self,
    Transpose.self,
    Trilu.self,
    Unique.self,
    Unsqueeze.self,
    Upsample.self,
  ]

  static let reductions: [any Operator.Type] = [
    ArgMax.self,
    ArgMin.self,
    CumProd.self,
    CumSum.self,
    Einsum.self,
    NonMaxSuppression.self,
    ReduceL1.self,
    ReduceL2.self,
    ReduceLogSum.self,
    ReduceLogSumExp.self,
    ReduceMax.self,
    ReduceMean.self,
    ReduceMin.self,
    ReduceProd.self,
    ReduceSum.self,
    ReduceSumSquare.self,
    TopK.self,
  ]

  /// Graft's own domain: gradients, losses and optimizer steps.
  static let training: [any Operator.Type] = [
    AdaGradUpdate.self,
    AdamUpdate.self,
    RMSpropUpdate.self,
    Recomputed.self,
    SGDMomentumUpdate.self,
    SumToShape.self,
  ]

  /// Graft's own domain: images with channels in blocks.
  static let blocked: [any Operator.Type] = [
    BlockedAffine.self,
    BlockedBatchNormalization.self,
    BlockedBatchNormalizationGradient.self,
    BlockedChannelShuffle.self,
    BlockedChannelSum.self,
    BlockedAveragePool.self,
    BlockedDepthwiseConv.self,
    BlockedDepthwiseInputGradient.self,
    BlockedDepthwiseWeightGradient.self,
    BlockedGlobalAveragePool.self,
    BlockedLRN.self,
    BlockedMaxPool.self,
    BlockedMaxPoolGradient.self,
    BlockedZeroInsertion.self,
    FromBlocked.self,
    ToBlocked.self,
  ]

  private struct Key: Hashable {
    let domain: ByteString
    let name: ByteString
  }

  private static let table: [Key: any Operator.Type] = Dictionary(
    uniqueKeysWithValues: operators.map {
      (Key(domain: ByteString($0.schema.domain), name: ByteString($0.schema.name)), $0)
    })

  package static func type(_ name: String, domain: String = "") -> (any Operator.Type)? {
    table[Key(domain: ByteString(domain), name: ByteString(name))]
  }

  package static func type(of node: Node) -> (any Operator.Type)? {
    type(node.operatorType, domain: node.domain)
  }

  /// The operator of a node, with decoded attributes.
  ///
  /// - Throws: `GraftError` if the operator is unknown, or its attributes or arity are invalid
  package static func make(_ node: Node) throws -> any Operator {
    try make(node, as: type(of: node))
  }

  /// As ``make(_:)``, of a type that need not be in the catalog; `nil` if it is not known.
  package static func make(
    _ node: Node, as type: (any Operator.Type)?
  ) throws -> any Operator {
    guard let type else {
      throw GraftError.unsupported("operator \(node.qualifiedType) is not supported")
    }
    let schema = type.schema
    guard schema.inputs.contains(node.inputs.count) else {
      throw GraftError.badData(
        "has \(node.inputs.count) inputs; expected \(describe(schema.inputs))")
    }
    guard node.outputs.count <= schema.outputs.upperBound else {
      throw GraftError.badData(
        "has \(node.outputs.count) outputs; expected \(describe(schema.outputs))")
    }
    // Kernels rely on these; they check the others themselves.
    guard node.outputs.first ?? nil != nil else { throw GraftError.badData("has no output 0") }
    for (index, input) in node.inputs.prefix(schema.inputs.lowerBound).enumerated()
    where input == nil {
      throw GraftError.badData("input \(index) is missing")
    }
    return try type.init(AttributeReader(node.attributes))
  }

  private static func describe(_ range: ClosedRange<Int>) -> String {
    if range.lowerBound == range.upperBound { return "\(range.lowerBound)" }
    if range.upperBound == OperatorSchema.unlimited { return "at least \(range.lowerBound)" }
    return "\(range.lowerBound) to \(range.upperBound)"
  }
}
