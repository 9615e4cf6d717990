import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Counts of known n-grams in each row of tokens, `[C]` or `[N, C]`: `[K]` or `[N, K]`, with a
/// coordinate for each n-gram; all as they are (TF), as 0 or 1 times weights (IDF), or times
/// weights (TFIDF). The tokens of an n-gram may lie up to `max_skip_count` other tokens apart.
///
/// A weight belongs to an n-gram of the pool, as the specification says. In onnxruntime and ONNX's
/// reference implementation it belongs to a coordinate.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html>
struct TfIdfVectorizer: Operator {
  static let schema = OperatorSchema("TfIdfVectorizer", since: [9], inputs: 1...1)

  private let grams: GramPool
  private let maxSkipCount: Int

  init(_ attributes: AttributeReader) throws {
    grams = try GramPool(attributes)
    maxSkipCount = try attributes.required("max_skip_count", attributes.int("max_skip_count"))
    guard maxSkipCount >= 0 else {
      throw GraftError.badData("attribute 'max_skip_count' is \(maxSkipCount)")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    try context.require(0, grams.isOfStrings ? [.string] : [.int32, .int64])
    let shape = try context.shape(0)
    guard shape.count <= 2 else {
      throw GraftError.badData("input 0 has rank \(shape.count); expected 1 or 2")
    }
    context.setOutput(0, .float, (shape.count == 2 ? [shape[0]] : []) + [.known(grams.outputCount)])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    let rowCount = input.rank == 2 ? input.shape[0] : 1
    let length = input.rank == 0 ? 1 : input.shape[input.rank - 1]
    let counting = GramCounting(grams: grams, length: length, maxSkipCount: maxSkipCount)
    if grams.isOfStrings {
      let outputShape = try context.output(0).shape
      return .growing { inputs, memory in
        guard let strings = try inputs.first??.tensor.strings else {
          throw GraftError.badData("input 0 is missing")
        }
        try memory.require([
          counting.scratchByteCount, try Tensor.byteCount(.float, outputShape),
        ])
        let result = try Tensor(zeros: .float, shape: outputShape)
        let scratch = try Storage.heap(byteCount: counting.scratchByteCount)
        for row in 0..<rowCount {
          counting.run(scratch.baseAddress, result.baseAddress, row: row) { place in
            counting.grams.token(strings[row * length + place])
          }
        }
        withExtendedLifetime(scratch) {}
        return [.tensor(result)]
      }
    }
    let isWide = input.elementType == .int64
    return .parallel(
      count: rowCount, grain: max(1, (1 << 14) / max(1, length + grams.gramCount)),
      workerScratchByteCount: counting.scratchByteCount
    ) { arguments, rows in
      guard let scratch = arguments.workerScratch else { return }
      for row in rows {
        if isWide {
          let tokens = arguments.input(0, as: Int64.self) + row * length
          counting.run(scratch, arguments.output(0), row: row) {
            counting.grams.token(tokens[$0])
          }
        } else {
          let tokens = arguments.input(0, as: Int32.self) + row * length
          counting.run(scratch, arguments.output(0), row: row) {
            counting.grams.token(Int64(tokens[$0]))
          }
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    func attributes(
      _ mode: String, gramLengths: ClosedRange<Int>, skips: Int, weights: [Float]? = nil
    ) -> [ByteString: Attribute] {
      var attributes: [ByteString: Attribute] = [
        "mode": .string(mode), "min_gram_length": .int(gramLengths.lowerBound),
        "max_gram_length": .int(gramLengths.upperBound), "max_skip_count": .int(skips),
        "ngram_counts": .ints([0, 4]), "ngram_indexes": .ints([0, 1, 2, 3, 4, 5, 6]),
        "pool_int64s": .ints([2, 3, 5, 4, 5, 6, 7, 8, 6, 7]),
      ]
      if let weights { attributes["weights"] = .floats(weights) }
      return attributes
    }
    let row = Tensor.integers([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8], [12])
    let weights: [Float] = [0.5, 2, 1, 1, 3, 0.25, 7]
    return [
      OperatorExample(
        "pairs in rows", attributes: attributes("TF", gramLengths: 2...2, skips: 0),
        inputs: [
          .example([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8] as [Int32], [2, 6])
        ],
        outputs: [.floats([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], [2, 7])]),
      OperatorExample(
        "single tokens and pairs with skips",
        attributes: attributes("TF", gramLengths: 1...2, skips: 5), inputs: [row],
        outputs: [.floats([0, 3, 1, 0, 1, 3, 1], [7])]),
      OperatorExample(
        "truncated and weighted",
        attributes: attributes("IDF", gramLengths: 1...2, skips: 5, weights: weights),
        inputs: [row], outputs: [.floats([0, 2, 1, 0, 3, 0.25, 7], [7])]),
      OperatorExample(
        "weighted",
        attributes: attributes("TFIDF", gramLengths: 1...2, skips: 5, weights: weights),
        inputs: [row], outputs: [.floats([0, 6, 1, 0, 3, 0.75, 7], [7])]),
      OperatorExample(
        "strings",
        attributes: [
          "mode": .string("TF"), "min_gram_length": .int(1), "max_gram_length": .int(2),
          "max_skip_count": .int(0), "ngram_counts": .ints([0, 2]),
          "ngram_indexes": .ints([2, 0, 1]), "pool_strings": .strings(["a", "é", "a", "b"]),
        ],
        inputs: [.strings(["a", "b", "a", "e\u{301}", "é", "a"], [2, 3])],
        outputs: [.floats([0, 1, 2, 1, 0, 1], [2, 3])]),
    ]
  }
}
