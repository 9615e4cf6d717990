import GraftFiles

extension PickleMachine {
  /// Executes the instructions for lists, tuples and dictionaries.
  ///
  /// - Returns: false for other instructions
  mutating func changeContainer(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "("): pushMark()

    case UInt8(ascii: "]"): push(.list(PickleList()))
    case UInt8(ascii: "l"): push(.list(try list(of: popToMark())))
    case UInt8(ascii: "a"): try append([pop()])
    case UInt8(ascii: "e"): try append(popToMark())

    case UInt8(ascii: ")"): push(.tuple(PickleList()))
    case UInt8(ascii: "t"): try pushTuple(popToMark())
    case 0x85: try pushTuple(lastSlots(1))
    case 0x86: try pushTuple(lastSlots(2))
    case 0x87: try pushTuple(lastSlots(3))

    case UInt8(ascii: "}"): push(.dictionary(PickleDictionary()))
    case UInt8(ascii: "d"):
      let entries = try popToMark()
      push(.dictionary(PickleDictionary()))
      try set(entries)
    case UInt8(ascii: "s"): try set(lastSlots(2))
    case UInt8(ascii: "u"): try set(popToMark())
    default: return false
    }
    return true
  }

  /// The values in slots; nothing else can be in a container.
  func values(_ slots: [Slot]) throws -> [PickleValue] {
    try slots.map { slot in
      guard let value = slot.value else { throw input.damaged() }
      return value
    }
  }

  private mutating func lastSlots(_ count: Int) throws -> [Slot] {
    var slots: [Slot] = []
    for _ in 0..<count { slots.append(try pop()) }
    return slots.reversed()
  }

  private func list(of slots: [Slot]) throws -> PickleList {
    let list = PickleList()
    list.elements = try values(slots)
    list.depth = try depth(around: list.elements)
    return list
  }

  /// A tuple of values, or of arguments that include names.
  private mutating func pushTuple(_ slots: [Slot]) throws {
    var isPlain = true
    for slot in slots {
      switch slot {
      case .value: continue
      case .name, .elementType: isPlain = false
      case .mark, .newArray, .arguments, .single: throw input.damaged()
      }
    }
    if isPlain {
      push(.tuple(try list(of: slots)))
    } else {
      _ = try depth(around: slots.compactMap(\.value))
      stack.append(.arguments(slots))
    }
  }

  private mutating func append(_ slots: [Slot]) throws {
    guard case .value(.list(let list)) = stack.last else { throw input.damaged() }
    let elements = try values(slots)
    list.depth = max(list.depth, try depth(around: elements))
    list.elements += elements
  }

  /// Adds alternating keys and values to the dictionary on top of the stack.
  private mutating func set(_ slots: [Slot]) throws {
    guard case .value(.dictionary(let dictionary)) = stack.last, slots.count % 2 == 0 else {
      throw input.damaged()
    }
    let values = try values(slots)
    dictionary.depth = max(dictionary.depth, try depth(around: values))
    for index in stride(from: 0, to: values.count, by: 2) {
      dictionary.entries[try key(values[index])] = values[index + 1]
    }
  }

  /// Keys are short: a long one could be reused many times and fill the memory.
  private func key(_ value: PickleValue) throws -> String {
    switch value {
    case .bytes(let bytes), .text(let bytes):
      guard bytes.count <= 256 else {
        throw GraftError.unsupported("has a key of \(bytes.count) bytes")
      }
      return bytes.text
    default: throw GraftError.unsupported("has \(value.kind) as a key; only text is supported")
    }
  }

  private func depth(around elements: [PickleValue]) throws -> Int {
    let depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
    guard depth <= Self.depthLimit else {
      throw GraftError.badData(
        "nests lists and dictionaries more than \(Self.depthLimit) deep")
    }
    return depth
  }
}
