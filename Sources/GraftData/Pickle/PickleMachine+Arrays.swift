import GraftFiles
import GraftTensor

extension PickleMachine {
  /// Executes the instructions that build arrays: a name, a call, and setting a state.
  ///
  /// - Returns: false for other instructions
  mutating func build(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "c"):  // GLOBAL
      let module = try input.line().text
      stack.append(.name(try known(module, input.line().text)))
    case 0x93:  // STACK_GLOBAL
      let (name, module) = (try popValue(), try popValue())
      guard case .text(let nameBytes) = name, case .text(let moduleBytes) = module,
        nameBytes.count + moduleBytes.count < 256
      else { throw input.damaged() }
      stack.append(.name(try known(moduleBytes.text, nameBytes.text)))
    case UInt8(ascii: "R"):
      let (arguments, function) = (try pop(), try pop())
      stack.append(try result(of: function, arguments))
    case UInt8(ascii: "b"):
      let (state, object) = (try pop(), try pop())
      stack.append(try with(state: state, object))
    default: return false
    }
    return true
  }

  private func known(_ module: String, _ name: String) throws -> KnownName {
    switch (module, name) {
    case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
      return .reconstruct
    case ("numpy", "ndarray"): return .arrayClass
    case ("numpy", "dtype"): return .elementTypeClass
    case ("_codecs", "encode"): return .encode
    default:
      throw GraftError.unsupported(
        "asks for '\(module.prefix(64)).\(name.prefix(64))', which is not allowed",
        hint: "Only plain data and NumPy arrays of uint8 are supported")
    }
  }

  /// The result of a call of a known function; nothing is called.
  private mutating func result(of function: Slot, _ arguments: Slot) throws -> Slot {
    switch (function, arguments) {
    case (.name(.reconstruct), .arguments(let arguments)):
      guard case .name(.arrayClass) = arguments.first else { throw input.damaged() }
      return .newArray
    case (.name(.elementTypeClass), .value(.tuple(let arguments))):
      guard let type = arguments.elements.first?.string else { throw input.damaged() }
      guard ["u1", "|u1", "B"].contains(type) else {
        throw GraftError.unsupported(
          "has an array of elements of type '\(type.prefix(16))'; only uint8 ('u1') is supported")
      }
      return .elementType
    case (.name(.encode), .value(.tuple(let arguments))):
      guard arguments.elements.count == 2, case .text(let text) = arguments.elements[0],
        arguments.elements[1].string == "latin1"
      else { throw input.damaged() }
      return .value(.bytes(try latin1(text)))
    default: throw input.damaged()
    }
  }

  /// A byte for each character, which is at most U+00FF.
  private mutating func latin1(_ text: FileBytes) throws -> FileBytes {
    encodedByteCount += text.count
    guard encodedByteCount <= input.totalCount else {
      throw GraftError.badData("encodes more bytes than it has")
    }
    let bytes = try Storage.heap(byteCount: text.count)
    var count = 0
    try text.withUnsafeBytes { source in
      var index = 0
      while index < source.count {
        let byte = source[index]
        var code = byte
        if byte >= 0x80 {
          // U+0080 to U+00FF take two bytes, of which the first is C2 or C3.
          guard byte == 0xc2 || byte == 0xc3, index + 1 < source.count,
            source[index + 1] & 0xc0 == 0x80
          else { throw input.damaged() }
          index += 1
          code = byte << 6 | source[index] & 0x3f
        }
        bytes.baseAddress.storeBytes(of: code, toByteOffset: count, as: UInt8.self)
        index += 1
        count += 1
      }
    }
    return FileBytes(bytes, 0..<count)
  }

  private func with(state: Slot, _ object: Slot) throws -> Slot {
    switch (object, state) {
    // Byte order, fields and alignment, which are empty for single bytes.
    case (.elementType, .value(.tuple)): return .elementType
    case (.newArray, .arguments(let state)): return .value(.array(try array(state)))
    default: throw input.damaged()
    }
  }

  /// An array from (version, shape, element type, whether in Fortran order, bytes).
  private func array(_ state: [Slot]) throws -> Tensor {
    guard state.count == 5, case .tuple(let extents) = state[1].value,
      case .elementType = state[2], case .bytes(let bytes) = state[4].value
    else { throw input.damaged() }
    let shape = extents.elements.compactMap(\.integer)
    guard shape.count == extents.elements.count, shape.count <= 8,
      try shape.checkedElementCount() == bytes.count
    else {
      throw GraftError.badData("has an array whose \(bytes.count) bytes do not match its shape")
    }
    switch state[3].value {
    case .bool(false), .integer(0): break
    default: throw GraftError.unsupported("has an array in Fortran order, which is not supported")
    }
    return try Tensor(
      elementType: .uint8, shape: shape, storage: bytes.storage,
      byteOffset: bytes.range.lowerBound)
  }
}
