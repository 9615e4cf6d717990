import GraftFiles
import GraftGraph

/// The n-grams that a TfIdfVectorizer knows, as a tree of their tokens.
struct GramPool: Sendable {
  enum Mode: String, CaseIterable {
    case frequency = "TF"
    case presence = "IDF"
    case weightedFrequency = "TFIDF"
  }

  /// An n-gram of the pool.
  private struct Entry {
    let gram: Int
    let coordinate: Int
    let weight: Float
  }

  private struct Branch: Hashable {
    let node: Int
    let token: Int32
  }

  let isOfStrings: Bool
  let minLength: Int
  let maxLength: Int
  let outputCount: Int
  /// The number of different n-grams.
  private(set) var gramCount = 0
  private let mode: Mode
  private var entries: [Entry] = []
  private var children: [Branch: Int] = [:]
  /// For each node of the tree the n-gram that ends there; -1 for none.
  private var grams = [-1]
  private var integers: [Int64: Int32] = [:]
  private var strings: [ByteString: Int32] = [:]

  init(_ attributes: AttributeReader) throws {
    let modes = Mode.allCases.map(\.rawValue)
    let chosen = try attributes.required("mode", attributes.string("mode"))
    guard let mode = Mode(rawValue: chosen) else {
      throw GraftError.badData(
        "attribute 'mode' is '\(chosen)'; expected one of \(modes.joined(separator: ", "))")
    }
    self.mode = mode
    func count(_ name: String) throws -> Int { try attributes.required(name, attributes.int(name)) }
    (minLength, maxLength) = (try count("min_gram_length"), try count("max_gram_length"))
    let starts = try attributes.required("ngram_counts", attributes.ints("ngram_counts"))
    guard 1 <= minLength, minLength <= maxLength, maxLength <= starts.count else {
      throw GraftError.badData(
        "n-grams of \(minLength) to \(maxLength) tokens, in a pool with those of 1 to "
          + "\(starts.count)")
    }
    let coordinates = try attributes.required("ngram_indexes", attributes.ints("ngram_indexes"))
    guard let largest = coordinates.max(), coordinates.allSatisfy({ $0 >= 0 }), largest < 1 << 48
    else { throw GraftError.badData("attribute 'ngram_indexes' is empty or has invalid indices") }
    outputCount = largest + 1
    let weights = try attributes.floats("weights")
    guard weights == nil || weights?.count == coordinates.count else {
      throw GraftError.badData(
        "has \(weights?.count ?? 0) weights for \(coordinates.count) n-grams")
    }
    let tokens: [Int32]
    let numbers = try attributes.ints("pool_int64s")
    let texts = try attributes.strings("pool_strings")
    guard (numbers == nil) != (texts == nil) else {
      throw GraftError.badData("needs either 'pool_int64s' or 'pool_strings'")
    }
    isOfStrings = texts != nil
    if let texts {
      tokens = texts.map { Self.number(ByteString($0), in: &strings) }
    } else {
      tokens = (numbers ?? []).map { Self.number(Int64($0), in: &integers) }
    }
    try addEntries(tokens, starts, coordinates, weights)
  }

  /// The number of a token, which gets one if it has none.
  private static func number<Token>(_ token: Token, in numbers: inout [Token: Int32]) -> Int32 {
    if let number = numbers[token] { return number }
    let number = Int32(truncatingIfNeeded: numbers.count)
    numbers[token] = number
    return number
  }

  private mutating func addEntries(
    _ tokens: [Int32], _ starts: [Int], _ coordinates: [Int], _ weights: [Float]?
  ) throws {
    var number = 0
    for (index, start) in starts.enumerated() {
      let length = index + 1
      let end = index + 1 < starts.count ? starts[index + 1] : tokens.count
      guard 0 <= start, start <= end, end <= tokens.count, (end - start) % length == 0 else {
        throw GraftError.badData(
          "attribute 'ngram_counts' puts n-grams of \(length) tokens at \(start) to \(end) of "
            + "\(tokens.count)")
      }
      for place in stride(from: start, to: end, by: length) {
        guard number < coordinates.count else {
          throw GraftError.badData(
            "the pool has more n-grams than attribute 'ngram_indexes' (\(coordinates.count))")
        }
        if (minLength...maxLength).contains(length) {
          entries.append(
            Entry(
              gram: gram(tokens[place..<place + length]), coordinate: coordinates[number],
              weight: weights?[number] ?? 1))
        }
        number += 1
      }
    }
  }

  /// The number of an n-gram, which is added to the tree.
  private mutating func gram(_ tokens: ArraySlice<Int32>) -> Int {
    var node = 0
    for token in tokens {
      let branch = Branch(node: node, token: token)
      if let child = children[branch] {
        node = child
      } else {
        node = grams.count
        children[branch] = node
        grams.append(-1)
      }
    }
    if grams[node] < 0 {
      grams[node] = gramCount
      gramCount += 1
    }
    return grams[node]
  }

  /// The number of a token; -1 if no n-gram has it.
  func token(_ number: Int64) -> Int32 { integers[number] ?? -1 }

  func token(_ text: String) -> Int32 { strings[ByteString(text)] ?? -1 }

  /// The root of the tree.
  static let root = 0

  func child(_ node: Int, _ token: Int32) -> Int? { children[Branch(node: node, token: token)] }

  /// The n-gram that ends at a node.
  func gram(at node: Int) -> Int? { grams[node] < 0 ? nil : grams[node] }

  /// Writes one row of the output.
  func write(_ counts: UnsafePointer<Int32>, to output: UnsafeMutablePointer<Float>) {
    output.update(repeating: 0, count: outputCount)
    for entry in entries {
      let count = counts[entry.gram]
      switch mode {
      case .frequency: output[entry.coordinate] += Float(count)
      case .presence: output[entry.coordinate] += count > 0 ? entry.weight : 0
      case .weightedFrequency: output[entry.coordinate] += Float(count) * entry.weight
      }
    }
  }
}

/// How n-grams are counted in rows of tokens.
struct GramCounting: Sendable {
  let grams: GramPool
  /// The tokens of a row.
  let length: Int
  let maxSkipCount: Int

  /// For the tokens of a row and the counts of all n-grams.
  var scratchByteCount: Int {
    let (count, overflow) = length.addingReportingOverflow(grams.gramCount)
    let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: 4)
    return overflow || isTooLarge ? .max : max(bytes, 4)
  }

  /// Counts the n-grams of a row, and writes the row of the output.
  ///
  /// - Parameter token: the number of the token at a place
  func run(
    _ scratch: UnsafeMutableRawPointer, _ output: UnsafeMutableRawPointer, row: Int,
    _ token: (Int) -> Int32
  ) {
    let tokens = scratch.bindMemory(to: Int32.self, capacity: length + grams.gramCount)
    let counts = tokens + length
    for place in 0..<length { tokens[place] = token(place) }
    counts.update(repeating: 0, count: grams.gramCount)
    count(tokens, counts)
    grams.write(
      counts, to: output.assumingMemoryBound(to: Float.self) + row * grams.outputCount)
  }

  private func count(_ tokens: UnsafePointer<Int32>, _ counts: UnsafeMutablePointer<Int32>) {
    var minLength = grams.minLength
    for distance in 1... {
      guard distance - 1 <= maxSkipCount else { return }
      // The places between the first token and the last one of the shortest n-gram.
      let (reach, overflow) = distance.multipliedReportingOverflow(by: minLength - 1)
      guard !overflow, reach < length else { return }
      for start in 0..<length - reach {
        var (node, place, size) = (GramPool.root, start, 1)
        while size <= grams.maxLength, place < length, tokens[place] >= 0,
          let child = grams.child(node, tokens[place])
        {
          if size >= minLength, let gram = grams.gram(at: child) { counts[gram] &+= 1 }
          (node, place, size) = (child, place + distance, size + 1)
        }
      }
      // Skips do not matter to single tokens, which are counted once.
      if minLength == 1 {
        minLength = 2
        guard minLength <= grams.maxLength else { return }
      }
    }
  }
}
