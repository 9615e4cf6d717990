import GraftExecution
import GraftFiles
import GraftTensor

/// Summarizes the outputs of a model: names, types, shapes and ranges.
enum OutputSummary {
  static func text(_ outputs: some Sequence<(String, RuntimeValue)>) throws -> String {
    let rows = try outputs.flatMap { try Self.rows($0, $1) }
    return Terminal.table(
      [["output", "type", "min", "mean", "max"]] + rows, rightAligned: [2, 3, 4])
  }

  /// Elements of a sequence that get a row.
  private static let elementLimit = 10
  /// Strings of a tensor that are shown, and characters of each.
  private static let (stringLimit, characterLimit) = (5, 40)

  private static func rows(_ name: String, _ value: RuntimeValue) throws -> [[String]] {
    switch value {
    case .tensor(let tensor):
      return [try [name, "\(tensor.elementType)\(tensor.shape)"] + range(tensor)]
    case .optional(let element):
      return try element.map { try rows(name, $0) } ?? [[name, "empty optional"]]
    case .sequence(let elements):
      var rows = [[name, "sequence of \(elements.count)"]]
      for (number, element) in elements.prefix(elementLimit).enumerated() {
        rows += try self.rows("\(name)[\(number)]", element)
      }
      let rest = elements.count - elementLimit
      return rest > 0 ? rows + [["…", "\(rest) more"]] : rows
    case .map(let map):
      return [[name, "map of \(map.count)", "", "", "", try entries(map)]]
    }
  }

  /// The first entries of a map to scalars.
  private static func entries(_ map: RuntimeMap) throws -> String {
    guard case .scalars(let values) = map.values else { return "" }
    let isText = map.keys.elementType == .string
    let integers = isText ? [] : try map.keys.integers()
    let numbers = values.elementType == .string ? [] : try values.doubles()
    let shown = (0..<min(map.count, stringLimit)).map { index in
      let key =
        isText ? String(map.keys.strings[index].prefix(characterLimit)) : "\(integers[index])"
      let value =
        numbers.isEmpty
        ? "\"\(values.strings[index].prefix(characterLimit))\""
        : String(printf: "%.6g", numbers[index])
      return "\(key): \(value)"
    }
    return shown.joined(separator: ", ") + (map.count > stringLimit ? ", …" : "")
  }

  /// The first strings of a tensor.
  private static func strings(_ tensor: Tensor) -> String {
    let shown = tensor.strings.prefix(stringLimit).map { text in
      "\"\(text.prefix(characterLimit))\(text.count > characterLimit ? "…" : "")\""
    }
    return shown.joined(separator: ", ") + (tensor.strings.count > stringLimit ? ", …" : "")
  }

  /// The minimum, mean and maximum, and the number of NaNs; the strings; empty for complex numbers.
  private static func range(_ tensor: Tensor) throws -> [String] {
    let type = tensor.elementType
    guard tensor.elementCount > 0, !type.isComplex else { return [] }
    if type == .string { return ["", "", "", strings(tensor)] }
    var (least, largest, sum) = (Double.infinity, -Double.infinity, 0.0)
    var nanCount = 0
    let source = tensor.isAligned ? tensor : try tensor.copied()
    let piece = 1 << 16
    let numbers = try Tensor(zeros: .double, shape: [min(piece, source.elementCount)])
    for start in stride(from: 0, to: source.elementCount, by: piece) {
      let count = min(piece, source.elementCount - start)
      try ElementConversion.convert(
        source.baseAddress + start * type.byteWidth, type, to: numbers.baseAddress, .double,
        count: count)
      let values = UnsafeBufferPointer(
        start: numbers.baseAddress.assumingMemoryBound(to: Double.self), count: count)
      for value in values {
        guard !value.isNaN else {
          nanCount += 1
          continue
        }
        least = min(least, value)
        largest = max(largest, value)
        sum += value
      }
    }
    let notes = nanCount > 0 ? ["\(nanCount) NaN"] : []
    guard nanCount < source.elementCount else { return ["", "", ""] + notes }
    let mean = sum / Double(source.elementCount - nanCount)
    return [least, mean, largest].map { String(printf: "%.6g", $0) } + notes
  }
}
