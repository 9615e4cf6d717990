import GraftFiles

/// Reads Python pickles of plain data: dictionaries, lists, tuples, integers, bytes, text, and
/// NumPy arrays of uint8, in protocols 0 to 4.
///
/// A pickle is a program for a small stack machine that may call any function of any Python module.
/// This machine calls none. Three names that pickled arrays use stand for fixed conversions; every
/// other name and every other instruction is an error. Lists and dictionaries may be in one place
/// only, so that there are no cycles.
///
/// Source: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>
package enum PickleReader {
  /// - Throws: `GraftError` if the pickle is damaged, or contains anything else
  package static func read(_ bytes: FileBytes) throws -> PickleValue {
    var machine = PickleMachine(bytes)
    return try machine.run()
  }
}

/// The stack machine.
struct PickleMachine {
  /// An entry of the stack or the memo.
  enum Slot {
    case value(PickleValue)
    case mark
    case name(KnownName)
    /// NumPy's description of uint8.
    case elementType
    /// A tuple with entries other than values.
    case arguments([Slot])
    /// An array whose state is not set yet.
    case newArray
    /// A memoized container, which may be in one place only.
    case single(String)

    var value: PickleValue? {
      if case .value(let value) = self { value } else { nil }
    }
  }

  /// The names in pickled arrays.
  enum KnownName {
    case reconstruct
    case arrayClass
    case elementTypeClass
    /// `_codecs.encode`, with which Python 3 writes bytes for Python 2.
    case encode
  }

  /// CIFAR-100's files take about 300,000 instructions.
  static let instructionLimit = 4_000_000
  static let depthLimit = 16

  var input: PickleInput
  var stack: [Slot] = []
  /// The bytes of all encoded texts, as a memoized text can be encoded many times.
  var encodedByteCount = 0
  private var marks: [Int] = []
  private var memo: [Int: Slot] = [:]

  init(_ bytes: FileBytes) { input = PickleInput(bytes) }

  mutating func run() throws -> PickleValue {
    for _ in 0..<Self.instructionLimit {
      let position = input.position
      let code = try input.byte()
      if code == UInt8(ascii: ".") {
        guard stack.count == 1 else { throw PickleInput.damaged(at: position) }
        return try popValue()
      }
      guard try pushConstant(code) || changeContainer(code) || useMemo(code) || build(code) else {
        let character = Character(UnicodeScalar(code))
        throw GraftError.unsupported(
          "has the instruction \(code)"
            + (character.isASCII && character.isLetter ? " ('\(character)')" : "")
            + " at byte \(position), which is not allowed",
          hint: "Only plain data and NumPy arrays of uint8 are supported")
      }
    }
    throw GraftError.badData("has more than \(Self.instructionLimit) instructions")
  }

  // MARK: The stack

  mutating func push(_ value: PickleValue) { stack.append(.value(value)) }

  /// Removes and returns the top, which must not be a mark.
  mutating func pop() throws -> Slot {
    guard let top = stack.popLast() else { throw input.damaged() }
    if case .mark = top { throw input.damaged() }
    return top
  }

  mutating func popValue() throws -> PickleValue {
    guard let value = try pop().value else { throw input.damaged() }
    return value
  }

  mutating func pushMark() {
    marks.append(stack.count)
    stack.append(.mark)
  }

  /// Removes and returns everything above the last mark, and removes the mark.
  mutating func popToMark() throws -> [Slot] {
    guard let start = marks.popLast() else { throw input.damaged() }
    // Nothing below a mark can be removed before the mark.
    let slots = Array(stack[(start + 1)...])
    stack.removeSubrange(start...)
    return slots
  }

  // MARK: The memo

  /// Handles the forms of PUT and GET, and instructions about the encoding.
  private mutating func useMemo(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "p"): try keep(input.decimalLine())
    case UInt8(ascii: "q"): try keep(input.unsigned(byteCount: 1))
    case UInt8(ascii: "r"): try keep(input.unsigned(byteCount: 4))
    case 0x94: try keep(memo.count)  // MEMOIZE
    case UInt8(ascii: "g"): try fetch(input.decimalLine())
    case UInt8(ascii: "h"): try fetch(input.unsigned(byteCount: 1))
    case UInt8(ascii: "j"): try fetch(input.unsigned(byteCount: 4))
    case 0x80:  // PROTO
      let version = try input.byte()
      guard version <= 4 else {
        throw GraftError.unsupported("has protocol \(version); 0 to 4 are supported")
      }
    case 0x95: _ = try input.unsigned(byteCount: 8)  // FRAME, which only helps reading ahead
    default: return false
    }
    return true
  }

  private mutating func keep(_ key: Int) throws {
    switch stack.last {
    case .value(.list): memo[key] = .single("a list")
    case .value(.dictionary): memo[key] = .single("a dictionary")
    case .newArray: memo[key] = .single("an array")
    case .mark, nil: throw input.damaged()
    case .some(let slot): memo[key] = slot
    }
  }

  private mutating func fetch(_ key: Int) throws {
    guard let slot = memo[key] else { throw input.damaged() }
    if case .single(let kind) = slot {
      throw GraftError.unsupported("has \(kind) in two places, which is not supported")
    }
    stack.append(slot)
  }
}
