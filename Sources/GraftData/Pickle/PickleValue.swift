import GraftTensor

/// What a pickle holds, as far as it can be read.
package enum PickleValue: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  /// `bytes`, or `str` of Python 2.
  case bytes(FileBytes)
  /// `str` of Python 3, in UTF-8.
  case text(FileBytes)
  case list(PickleList)
  case tuple(PickleList)
  case dictionary(PickleDictionary)
  /// An array of uint8.
  case array(Tensor)
}

/// Elements of a list or tuple; only the reader changes them, and only before they are in anything.
package final class PickleList: @unchecked Sendable {
  package internal(set) var elements: [PickleValue] = []
  /// How many lists, tuples and dictionaries lie within each other here, this one included.
  var depth = 1

  init() {}
}

/// Entries whose keys are text; only the reader changes them, and only before they are in anything.
package final class PickleDictionary: @unchecked Sendable {
  package internal(set) var entries: [String: PickleValue] = [:]
  var depth = 1

  init() {}
}

extension PickleValue {
  /// How many lists, tuples and dictionaries lie within each other.
  var depth: Int {
    switch self {
    case .none, .bool, .integer, .bytes, .text, .array: 0
    case .list(let list), .tuple(let list): list.depth
    case .dictionary(let dictionary): dictionary.depth
    }
  }

  /// What messages call the kind of value.
  var kind: String {
    switch self {
    case .none: "None"
    case .bool: "a bool"
    case .integer: "an integer"
    case .bytes: "bytes"
    case .text: "text"
    case .list: "a list"
    case .tuple: "a tuple"
    case .dictionary: "a dictionary"
    case .array: "an array"
    }
  }

  /// The text of bytes or text.
  package var string: String? {
    switch self {
    case .bytes(let bytes), .text(let bytes): bytes.text
    default: nil
    }
  }

  package var integer: Int? {
    if case .integer(let value) = self { value } else { nil }
  }

  package var array: Tensor? {
    if case .array(let tensor) = self { tensor } else { nil }
  }

  /// The integers of a list, or of an array of one dimension.
  package var integers: [Int]? {
    switch self {
    case .list(let list):
      let integers = list.elements.compactMap(\.integer)
      return integers.count == list.elements.count ? integers : nil
    case .array(let tensor): return tensor.rank == 1 ? try? tensor.integers() : nil
    default: return nil
    }
  }

  /// The texts of a list.
  package var strings: [String]? {
    guard case .list(let list) = self else { return nil }
    let strings = list.elements.compactMap(\.string)
    return strings.count == list.elements.count ? strings : nil
  }

  package subscript(key: String) -> PickleValue? {
    if case .dictionary(let dictionary) = self { dictionary.entries[key] } else { nil }
  }
}
