import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Values of a known type from JSON.
enum JSONValueReader {
  static func value(_ scanner: inout JSONScanner, _ type: ValueType) throws -> RuntimeValue {
    switch type {
    case .tensor(let type), .sparseTensor(let type):
      return .tensor(try tensor(&scanner, type))
    case .sequence(let element):
      guard scanner.peek() == UInt8(ascii: "[") else {
        throw GraftError.badData("has no array where \(type) is expected")
      }
      var elements: [RuntimeValue] = []
      try scanner.forEachElement { scanner in elements.append(try value(&scanner, element)) }
      return .sequence(elements)
    case .optional(let element):
      return .optional(scanner.skip(word: "null") ? nil : try value(&scanner, element))
    case .map(let key, let value): return .map(try map(&scanner, key, value))
    }
  }

  /// A map from an object, whose names are the keys.
  private static func map(
    _ scanner: inout JSONScanner, _ keyType: ElementType, _ type: ValueType
  ) throws -> RuntimeMap {
    guard scanner.peek() == UInt8(ascii: "{") else {
      throw GraftError.badData("has no object where a map is expected")
    }
    var names: [String] = []
    var values: [RuntimeValue] = []
    try scanner.forEachMember { scanner, name in
      names.append(name)
      values.append(try value(&scanner, type))
    }
    let elements = try RuntimeMap.Values(values)
    guard keyType != .string else {
      return try RuntimeMap(keys: Tensor(strings: names, shape: [names.count]), values: elements)
    }
    let integers = try names.map { name in
      guard let integer = Int64(name) else {
        throw GraftError.badData("has the key '\(name.prefix(40))', which is no integer")
      }
      return integer
    }
    let keys = try Tensor(integers, shape: [integers.count])
    let narrow = try Tensor(zeros: keyType, shape: keys.shape)
    try ElementConversion.convert(
      keys.baseAddress, .int64, to: narrow.baseAddress, keyType, count: integers.count)
    return try RuntimeMap(keys: narrow, values: elements)
  }

  private static func tensor(_ scanner: inout JSONScanner, _ type: TensorType) throws -> Tensor {
    switch type.elementType {
    case .string: try tensor(of: StringElements(), &scanner, type)
    case .bool: try tensor(of: BoolElements(), &scanner, type)
    case .double, .complex64, .complex128:
      try tensor(of: NumberElements<Double>(type.elementType), &scanner, type)
    case let elementType where elementType.isInteger:
      try tensor(of: IntegerElements(elementType), &scanner, type)
    case let elementType: try tensor(of: NumberElements<Float>(elementType), &scanner, type)
    }
  }

  private static func tensor<Elements: JSONElements>(
    of elements: Elements, _ scanner: inout JSONScanner, _ type: TensorType
  ) throws -> Tensor {
    var elements = elements
    var shape = NestedShape()
    try read(&scanner, into: &elements, &shape, depth: 0)
    var extents = shape.extents
    if elements.hasParts {
      guard extents.popLast() ?? 2 == 2 else {
        throw GraftError.badData("has complex numbers that are not pairs of numbers")
      }
    }
    // An empty array does not tell the extents of what it could have.
    if extents.contains(0), let declared = type.shape, declared.count > extents.count {
      extents += declared[extents.count...].map { $0.known ?? 0 }
    }
    return try elements.tensor(extents)
  }

  private static func read<Elements: JSONElements>(
    _ scanner: inout JSONScanner, into elements: inout Elements, _ shape: inout NestedShape,
    depth: Int
  ) throws {
    guard depth < JSONValueFile.depthLimit else {
      throw scanner.error("there are too many levels")
    }
    guard scanner.peek() == UInt8(ascii: "[") else {
      guard shape.takesElement(at: depth) else {
        throw scanner.error("arrays and elements are side by side")
      }
      return try elements.append(&scanner)
    }
    var count = 0
    try scanner.forEachElement { scanner in
      try read(&scanner, into: &elements, &shape, depth: depth + 1)
      count += 1
    }
    guard shape.takesArray(of: count, at: depth) else {
      throw scanner.error("arrays side by side have different lengths")
    }
  }
}

/// The shape of nested arrays, all of which must agree.
private struct NestedShape {
  private var counts: [Int?] = []
  /// The level of the elements, if there are any.
  private var elementDepth: Int?

  var extents: Shape { counts.map { $0 ?? 0 } }

  mutating func takesElement(at depth: Int) -> Bool {
    elementDepth = elementDepth ?? depth
    return elementDepth == depth && counts.count <= depth
  }

  mutating func takesArray(of count: Int, at depth: Int) -> Bool {
    while counts.count <= depth { counts.append(nil) }
    guard counts[depth] ?? count == count, elementDepth ?? .max > depth else { return false }
    counts[depth] = count
    return true
  }
}

/// The elements of a tensor, in order.
private protocol JSONElements {
  /// Whether an element is a pair of numbers.
  var hasParts: Bool { get }
  mutating func append(_ scanner: inout JSONScanner) throws
  func tensor(_ shape: Shape) throws -> Tensor
}

private struct StringElements: JSONElements {
  private var strings: [String] = []
  let hasParts = false

  mutating func append(_ scanner: inout JSONScanner) throws {
    guard scanner.peek() == UInt8(ascii: "\"") else { throw scanner.error("there is no string") }
    strings.append(try scanner.string())
  }

  func tensor(_ shape: Shape) throws -> Tensor { try Tensor(strings: strings, shape: shape) }
}

private struct BoolElements: JSONElements {
  private var truths: [Bool] = []
  let hasParts = false

  mutating func append(_ scanner: inout JSONScanner) throws {
    if scanner.skip(word: "true") {
      truths.append(true)
    } else if scanner.skip(word: "false") {
      truths.append(false)
    } else {
      throw scanner.error("there is neither true nor false")
    }
  }

  func tensor(_ shape: Shape) throws -> Tensor { try Tensor(truths, shape: shape) }
}

private struct IntegerElements: JSONElements {
  private let elementType: ElementType
  private let bounds: ClosedRange<Double>
  private var integers: [Int64] = []
  let hasParts = false

  init(_ elementType: ElementType) {
    self.elementType = elementType
    let bits = elementType.bitWidth
    func power(_ exponent: Int) -> Double {
      Double(sign: .plus, exponent: exponent, significand: 1)
    }
    bounds =
      elementType.isSignedInteger ? -power(bits - 1)...power(bits - 1) - 1 : 0...power(bits) - 1
  }

  mutating func append(_ scanner: inout JSONScanner) throws {
    guard scanner.isAtNumber() else { throw scanner.error("there is no number") }
    let text = try scanner.number()
    // The bits of a uint64 are those of an Int64.
    let integer =
      elementType == .uint64
      ? UInt64(text).map { Int64(bitPattern: $0) } : Int64(text)
    guard let number = Double(text),
      let integer = integer ?? Int64(exactly: number), bounds.contains(number)
    else { throw scanner.error("'\(text)' is not of type \(elementType)") }
    integers.append(integer)
  }

  func tensor(_ shape: Shape) throws -> Tensor {
    try Tensor(integers, shape: shape).converted(to: elementType == .uint64 ? .int64 : elementType)
      .with(elementType)
  }
}

private struct NumberElements<Number: BinaryFloatingPoint & LosslessStringConvertible>: JSONElements
where Number: TensorElement {
  private let elementType: ElementType
  private var numbers: [Number] = []
  let hasParts: Bool

  init(_ elementType: ElementType) {
    self.elementType = elementType
    hasParts = elementType.isComplex
  }

  mutating func append(_ scanner: inout JSONScanner) throws {
    // Valid JSON has only strings for these.
    let isString = scanner.peek() == UInt8(ascii: "\"")
    guard isString || scanner.isAtNumber() else { throw scanner.error("there is no number") }
    let text = isString ? try scanner.string() : try scanner.number()
    guard !isString || ["NaN", "Infinity", "-Infinity"].contains(text), let number = Number(text)
    else { throw scanner.error("'\(text.prefix(40))' is not a number") }
    numbers.append(number)
  }

  func tensor(_ shape: Shape) throws -> Tensor {
    guard hasParts else {
      return try Tensor(numbers, shape: shape).converted(to: elementType)
    }
    let parts = try Tensor(numbers, shape: shape + [2]).converted(
      to: elementType == .complex64 ? .float : .double)
    return try Tensor(elementType: elementType, shape: shape, storage: parts.storage)
  }
}

extension Tensor {
  fileprivate func converted(to elementType: ElementType) throws -> Tensor {
    guard elementType != self.elementType else { return self }
    let result = try Tensor(zeros: elementType, shape: shape)
    try ElementConversion.convert(
      baseAddress, self.elementType, to: result.baseAddress, elementType, count: elementCount)
    return result
  }

  /// The same bits as elements of another type.
  fileprivate func with(_ elementType: ElementType) throws -> Tensor {
    try Tensor(elementType: elementType, shape: shape, storage: storage)
  }
}
