import GraftExecution
import GraftONNX
import Testing

/// A family of operators whose damaged models are counted on their own.
struct SeedKind: Sendable, CustomTestStringConvertible {
  let name: String
  /// Distinguishes the random numbers of kinds.
  let number: UInt64
  private let operators: Set<String>
  private let domains: Set<String>
  /// Operators of other families, put into bodies or between quantized values.
  private let guests: Set<String>
  private let wrap: @Sendable (SeedModel) -> [SeedModel]

  var testDescription: String { name }

  private init(
    _ name: String, _ number: UInt64, _ operators: Set<String>, domains: Set<String> = [],
    guests: Set<String> = [], wrap: @escaping @Sendable (SeedModel) -> [SeedModel] = { _ in [] }
  ) {
    self.name = name
    self.number = number
    self.operators = operators
    self.domains = domains
    self.guests = guests
    self.wrap = wrap
  }

  /// Models of one node each for the examples of the operators, and what is made of them.
  func seeds() throws -> [SeedModel] {
    func isOwn(_ schema: OperatorSchema) -> Bool {
      operators.contains(schema.name) || domains.contains(schema.domain)
    }
    let wrapped = try SeedModel.operators(opset: ONNXImporter.newestOpset) { schema in
      schema.domain != "graft"
        && (isOwn(schema) || guests.contains(schema.name) && schema.domain.isEmpty)
    }
    // Every third form has constants only, which leave nothing to a body.
    return try SeedModel.operators(where: isOwn)
      + wrapped.enumerated().filter { $0.offset % 3 != 2 }.flatMap { wrap($1) }
  }

  static let all: [SeedKind] = [
    SeedKind(
      "control-flow", 30, ["If", "Loop", "Scan", "SequenceMap"],
      guests: [
        "Add", "Concat", "Conv", "Gather", "MatMul", "NonZero", "Relu", "Reshape", "SequenceAt",
        "SequenceInsert", "Slice", "Softmax", "Split", "StringConcat",
      ],
      wrap: { [$0.insideIf, $0.insideLoop, $0.insideIf?.insideLoop].compactMap { $0 } }),
    SeedKind(
      "sequences", 31,
      [
        "CastMap", "ConcatFromSequence", "DictVectorizer", "Optional", "OptionalGetElement",
        "OptionalHasElement", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase",
        "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence", "ZipMap",
      ], wrap: { [$0.insideIf, $0.insideLoop].compactMap { $0 } }),
    SeedKind(
      "text", 32,
      [
        "CategoryMapper", "LabelEncoder", "RegexFullMatch", "StringConcat", "StringNormalizer",
        "StringSplit", "TfIdfVectorizer", "Tokenizer",
      ]),
    SeedKind("recurrent", 33, ["GRU", "LSTM", "RNN"], wrap: { [$0.insideLoop].compactMap { $0 } }),
    SeedKind(
      "quantized", 34,
      [
        "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger",
        "MatMulQuantizedWeights", "QLinearConv", "QLinearMatMul", "QuantizeLinear",
        "QuantizedAveragePool", "QuantizedBinary", "QuantizedConv", "QuantizedGemm",
        "QuantizedLookup", "QuantizedMaxPool",
      ], domains: [OperatorDomain.microsoft],
      guests: [
        "Add", "AveragePool", "Concat", "Conv", "Gemm", "GlobalAveragePool", "MatMul", "MaxPool",
        "Mul", "Relu", "Sigmoid", "Softmax", "Transpose",
      ], wrap: { [$0.betweenQuantized].compactMap { $0 } }),
    SeedKind(
      "attention", 35,
      [
        "Attention", "CausalConvWithState", "FlexAttention", "LinearAttention", "RMSNormalization",
        "RotaryEmbedding", "SwiGLU", "TensorScatter",
      ]),
    SeedKind(
      "signal-vision", 36,
      [
        "BlackmanWindow", "CosineWindow", "DFT", "DeformConv", "Det", "HammingWindow", "HannWindow",
        "ImageDecoder", "MaxRoiPool", "MaxUnpool", "MelWeightMatrix", "RoiAlign", "STFT",
        "DFTGradient", "DeformConvGradient", "MaxRoiPoolGradient", "MaxUnpoolGradient",
        "RoiAlignGradient", "STFTGradient",
      ]),
    SeedKind("machine-learning", 37, [], domains: [OperatorDomain.machineLearning]),
    SeedKind(
      "training-random", 38,
      [
        "Adagrad", "Adam", "Bernoulli", "Dropout", "Gradient", "Momentum", "Multinomial",
        "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "TrainingDropout",
        "AdaGradUpdate", "AdamUpdate", "RMSpropUpdate", "SGDMomentumUpdate", "DropoutGradient",
      ], wrap: { [$0.insideLoop].compactMap { $0 } }),
  ]
}
