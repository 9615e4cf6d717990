import GraftTensor

/// A supported value in a pickle.
package enum PickleValue: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  /// `bytes`, or Python 2's `str`.
  case bytes(FileBytes)
  /// Python 3's `str`, in UTF-8.
  case text(FileBytes)
  case list(PickleList)
  case tuple(PickleList)
  case dictionary(PickleDictionary)
  /// An array of uint8.
  case array(Tensor)
}

/// The elements of a list or tuple. Only the reader changes them, before they are part of anything.
package final class PickleList: @unchecked Sendable {
  package internal(set) var elements: [PickleValue] = []
  /// The nesting depth of containers here, including this one.
  var depth = 1

  init() {}
}

/// Entries with text keys. Only the reader changes them, before they are part of anything.
package final class PickleDictionary: @unchecked Sendable {
  package internal(set) var entries: [String: PickleValue] = [:]
  var depth = 1

  init() {}
}

extension PickleValue {
  /// The nesting depth of containers.
  var depth: Int {
    switch self {
    case .none, .bool, .integer, .bytes, .text, .array: 0
    case .list(let list), .tuple(let list): list.depth
    case .dictionary(let dictionary): dictionary.depth
    }
  }

  /// The kind of the value, for messages.
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

  /// The integers in a list, or in a one-dimensional array.
  package var integers: [Int]? {
    switch self {
    case .list(let list):
      let integers = list.elements.compactMap(\.integer)
      return integers.count == list.elements.count ? integers : nil
    case .array(let tensor): return tensor.rank == 1 ? try? tensor.integers() : nil
    default: return nil
    }
  }

  /// The texts in a list.
  package var strings: [String]? {
    guard case .list(let list) = self else { return nil }
    let strings = list.elements.compactMap(\.string)
    return strings.count == list.elements.count ? strings : nil
  }

  package subscript(key: String) -> PickleValue? {
    if case .dictionary(let dictionary) = self { dictionary.entries[key] } else { nil }
  }
}
