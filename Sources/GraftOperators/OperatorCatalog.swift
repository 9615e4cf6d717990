import GraftExecution
import GraftFiles
import GraftGraph

/// All operators that Graft knows: a list for each folder of this target, a line for each operator.
package enum OperatorCatalog {
  package static let operators = [
    activation, attention, blocked, contributed, control, conversion, convolution, elementwise,
    linear, machineLearning, movement, normalization, pooling, quantization, random, recurrent,
    reduction, removed, resampling, sequence, shape, signal, softmax, text, training, unary, vision,
  ].flatMap { $0 }

  private static let activation: [any Operator.Type] = [
    Celu.self,
    Clip.self,
    ClipGradient.self,
    Elu.self,
    Gelu.self,
    HardSigmoid.self,
    HardSwish.self,
    LeakyRelu.self,
    Mish.self,
    Relu.self,
    ReluGradient.self,
    Selu.self,
    Shrink.self,
    Sigmoid.self,
    Softplus.self,
    Softsign.self,
    SwiGLU.self,
    Swish.self,
    Tanh.self,
    ThresholdedRelu.self,
  ]

  private static let attention: [any Operator.Type] = [
    Attention.self,
    CausalConvWithState.self,
    FlexAttention.self,
    FusedAttention.self,
    LinearAttention.self,
    RotaryEmbedding.self,
    TensorScatter.self,
  ]

  private static let blocked: [any Operator.Type] = [
    Blocked<AveragePool>.self,
    Blocked<BatchNormalization>.self,
    Blocked<BatchNormalizationGradient>.self,
    Blocked<ConvolutionInputGradient>.self,
    Blocked<FusedConv>.self,
    Blocked<GlobalAveragePool>.self,
    Blocked<LRN>.self,
    Blocked<MaxPool>.self,
    Blocked<MaxPoolGradient>.self,
    BlockedAffine.self,
    BlockedChannelShuffle.self,
    BlockedChannelSum.self,
    BlockedConv.self,
    BlockedConvWeightGradient.self,
    BlockedDepthwiseWeightGradient.self,
    BlockedZeroInsertion.self,
    FromBlocked.self,
    ToBlocked.self,
  ]

  private static let contributed: [any Operator.Type] = [
    QGemm.self,
    QLinearAdd.self,
    QLinearAveragePool.self,
    QLinearConcat.self,
    QLinearGlobalAveragePool.self,
    QLinearLeakyRelu.self,
    QLinearMul.self,
    QLinearSigmoid.self,
    QLinearSoftmax.self,
    QLinearWhere.self,
  ]

  private static let control: [any Operator.Type] = [
    If.self,
    Loop.self,
    Scan.self,
    SequenceMap.self,
  ]

  private static let conversion: [any Operator.Type] = [
    BitCast.self,
    Cast.self,
    CastLike.self,
    RoundToType.self,
  ]

  private static let convolution: [any Operator.Type] = [
    Conv.self,
    ConvTranspose.self,
    ConvolutionInputGradient.self,
    ConvolutionWeightGradient.self,
    FusedConv.self,
    TransposedKernel.self,
  ]

  private static let elementwise: [any Operator.Type] = [
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

  private static let linear: [any Operator.Type] = [
    Det.self,
    DetGradient.self,
    FusedGemm.self,
    FusedMatMul.self,
    Gemm.self,
    MatMul.self,
    ResidualMatMul.self,
  ]

  private static let machineLearning: [any Operator.Type] = [
    ArrayFeatureExtractor.self,
    Binarizer.self,
    CastMap.self,
    CategoryMapper.self,
    DictVectorizer.self,
    FeatureVectorizer.self,
    Imputer.self,
    LabelEncoder.self,
    LinearClassifier.self,
    LinearRegressor.self,
    Normalizer.self,
    OneHotEncoder.self,
    SVMClassifier.self,
    SVMRegressor.self,
    Scaler.self,
    TreeEnsemble.self,
    TreeEnsembleClassifier.self,
    TreeEnsembleRegressor.self,
    ZipMap.self,
  ]

  private static let movement: [any Operator.Type] = [
    CenterCropPad.self,
    Col2Im.self,
    Col2ImGradient.self,
    Compress.self,
    Concat.self,
    DepthToSpace.self,
    Expand.self,
    Gather.self,
    GatherElements.self,
    GatherGradient.self,
    GatherND.self,
    GatherNDGradient.self,
    NonZero.self,
    OneHot.self,
    Pad.self,
    PadGradient.self,
    ReverseSequence.self,
    Scatter.self,
    ScatterElements.self,
    ScatterND.self,
    Slice.self,
    SliceGradient.self,
    SpaceToDepth.self,
    Split.self,
    Tile.self,
    Transpose.self,
    Trilu.self,
    Unique.self,
  ]

  private static let normalization: [any Operator.Type] = [
    BatchNormalization.self,
    BatchNormalizationGradient.self,
    GroupNormalization.self,
    InstanceNormalization.self,
    LRN.self,
    LRNGradient.self,
    LayerNormalization.self,
    LpNormalization.self,
    MeanVarianceNormalization.self,
    RMSNormalization.self,
  ]

  private static let pooling: [any Operator.Type] = [
    AveragePool.self,
    AveragePoolGradient.self,
    GlobalAveragePool.self,
    GlobalLpPool.self,
    GlobalMaxPool.self,
    LpPool.self,
    MaxPool.self,
    MaxPoolGradient.self,
  ]

  private static let quantization: [any Operator.Type] = [
    ConvInteger.self,
    DequantizeLinear.self,
    DynamicQuantizeLinear.self,
    MatMulInteger.self,
    MatMulQuantizedWeights.self,
    QLinearConv.self,
    QLinearMatMul.self,
    QuantizeLinear.self,
    QuantizedAveragePool.self,
    QuantizedBinary.self,
    QuantizedConv.self,
    QuantizedGemm.self,
    QuantizedLookup.self,
    QuantizedMaxPool.self,
  ]

  private static let random: [any Operator.Type] = [
    Bernoulli.self,
    Dropout.self,
    DropoutGradient.self,
    Multinomial.self,
    RandomNormal.self,
    RandomNormalLike.self,
    RandomUniform.self,
    RandomUniformLike.self,
    TrainingDropout.self,
  ]

  private static let recurrent: [any Operator.Type] = [
    GRU.self,
    GRUGradient.self,
    LSTM.self,
    LSTMGradient.self,
    RNN.self,
    RNNGradient.self,
  ]

  private static let reduction: [any Operator.Type] = [
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

  private static let removed: [any Operator.Type] = [
    Affine.self,
    Crop.self,
    ImageScaler.self,
    ParametricSoftplus.self,
    Scale.self,
    ScaledTanh.self,
  ]

  private static let resampling: [any Operator.Type] = [
    AffineGrid.self,
    GridSample.self,
    GridSampleGradient.self,
    Resize.self,
    ResizeGradient.self,
    Upsample.self,
  ]

  private static let sequence: [any Operator.Type] = [
    ConcatFromSequence.self,
    ConcatFromSequenceGradient.self,
    OptionalGetElement.self,
    OptionalHasElement.self,
    OptionalOperator.self,
    SequenceAt.self,
    SequenceAtGradient.self,
    SequenceConstruct.self,
    SequenceEmpty.self,
    SequenceErase.self,
    SequenceInsert.self,
    SequenceLength.self,
    SequenceSum.self,
    SplitToSequence.self,
  ]

  private static let shape: [any Operator.Type] = [
    Constant.self,
    ConstantOfShape.self,
    EyeLike.self,
    Flatten.self,
    Identity.self,
    RangeOperator.self,
    Reshape.self,
    ShapeOperator.self,
    Size.self,
    Squeeze.self,
    Unsqueeze.self,
  ]

  private static let signal: [any Operator.Type] = [
    BlackmanWindow.self,
    DFT.self,
    DFTGradient.self,
    HammingWindow.self,
    HannWindow.self,
    MelWeightMatrix.self,
    STFT.self,
    STFTGradient.self,
  ]

  private static let softmax: [any Operator.Type] = [
    Hardmax.self,
    LogSoftmax.self,
    NegativeLogLikelihoodLoss.self,
    NegativeLogLikelihoodLossGradient.self,
    Softmax.self,
    SoftmaxCrossEntropyLoss.self,
  ]

  private static let text: [any Operator.Type] = [
    RegexFullMatch.self,
    StringConcat.self,
    StringNormalizer.self,
    StringSplit.self,
    TfIdfVectorizer.self,
    Tokenizer.self,
  ]

  private static let training: [any Operator.Type] = [
    AdaGradUpdate.self,
    Adagrad.self,
    Adam.self,
    AdamUpdate.self,
    Gradient.self,
    Momentum.self,
    RMSpropUpdate.self,
    Recomputed.self,
    SGDMomentumUpdate.self,
    SumToShape.self,
  ]

  private static let unary: [any Operator.Type] = [
    Abs.self,
    Acos.self,
    Acosh.self,
    Asin.self,
    Asinh.self,
    Atan.self,
    Atanh.self,
    BitwiseNot.self,
    Ceil.self,
    Cos.self,
    Cosh.self,
    Erf.self,
    Exp.self,
    Floor.self,
    IsInf.self,
    IsNaN.self,
    Log.self,
    Neg.self,
    Not.self,
    Reciprocal.self,
    Round.self,
    Sign.self,
    Sin.self,
    Sinh.self,
    Sqrt.self,
    Tan.self,
  ]

  private static let vision: [any Operator.Type] = [
    DeformConv.self,
    DeformConvGradient.self,
    ImageDecoder.self,
    MaxRoiPool.self,
    MaxRoiPoolGradient.self,
    MaxUnpool.self,
    MaxUnpoolGradient.self,
    RoiAlign.self,
    RoiAlignGradient.self,
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

extension Node {
  /// Whether the node is one of this operator.
  package func `is`<Operation: Operator>(_ type: Operation.Type) -> Bool {
    operatorType == type.schema.name && domain == type.schema.domain
  }

  /// The operator with the node's attributes, if it is one of this type.
  ///
  /// - Throws: `GraftError` if an attribute is missing or wrong.
  package func operation<Operation: Operator>(as type: Operation.Type) throws -> Operation? {
    try self.is(type) ? type.init(AttributeReader(attributes)) : nil
  }

  /// Makes the node one of another operator; inputs, outputs and attributes stay.
  package mutating func become(_ schema: OperatorSchema) {
    operatorType = schema.name
    domain = schema.domain
  }
}
