import GraftFiles

/// One item in an object header.
struct HDF5Message {
  /// The numbers of the message types, from section IV.A.2.
  enum Kind: Int {
    case dataspace = 0x1
    case linkInfo = 0x2
    case datatype = 0x3
    case oldFillValue = 0x4
    case fillValue = 0x5
    case link = 0x6
    case externalFiles = 0x7
    case layout = 0x8
    case filters = 0xb
    case attribute = 0xc
    case continuation = 0x10
    case symbolTable = 0x11
    case attributeInfo = 0x15
  }

  let kind: Kind
  let isShared: Bool
  let body: HDF5Reader
}

/// The messages of one object.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.1
struct HDF5ObjectHeader {
  private(set) var messages: [HDF5Message] = []
  private let file: HDF5File
  /// Message blocks that are still to be read.
  private var pending: [(address: Int, byteCount: Int)] = []
  private var visited: Set<Int> = []

  /// - Throws: `GraftError` if the header is damaged, or needs an unknown feature
  init(_ file: HDF5File, address: Int) throws {
    self.file = file
    var start = try file.reader(at: address, count: 4)
    if try start.bytes(4).elementsEqual("OHDR".utf8) {
      try readVersion2(address)
    } else {
      try readVersion1(address)
    }
  }

  /// The message of a kind that occurs at most once.
  func first(_ kind: HDF5Message.Kind) throws -> HDF5Reader? {
    try messages.first { $0.kind == kind }.map { try body(of: $0) }
  }

  /// The content of a message, which may be in another object's header.
  func body(of message: HDF5Message) throws -> HDF5Reader {
    message.isShared
      ? try HDF5ObjectHeader.shared(message.body, kind: message.kind, file: file) : message.body
  }

  /// The message that a reference leads to, such as a named type.
  ///
  /// - Throws: `GraftError` if it is missing, or in a table of the file
  static func shared(
    _ reference: HDF5Reader, kind: HDF5Message.Kind, file: HDF5File
  ) throws -> HDF5Reader {
    var reader = reference
    let version = try reader.byte()
    guard (1...3).contains(version) else {
      throw GraftError.unknownHDF5(version: version, of: "a shared message")
    }
    let type = try reader.byte()
    if version == 1 { try reader.skip(6 + file.widths.length) }
    guard version < 3 || type == 2 else {
      throw GraftError.unsupported(
        "has messages in a shared table", hint: "Copy the file with `h5repack`")
    }
    guard let address = try reader.address(),
      let message = try HDF5ObjectHeader(file, address: address).messages
        .first(where: { $0.kind == kind }),
      !message.isShared
    else { throw GraftError.damagedHDF5("a message shared with another object is missing") }
    return message.body
  }

  // MARK: Version 1

  private mutating func readVersion1(_ address: Int) throws {
    var prefix = try file.reader(at: address, count: 16)
    try prefix.expect(version: 1, of: "an object header")
    try prefix.skip(7)
    let byteCount = try prefix.integer(width: 4)
    pending.append((address + 16, byteCount))
    while let block = pending.popLast() {
      guard visited.insert(block.address).inserted else { throw cycle }
      var reader = try file.reader(at: block.address, count: block.byteCount)
      while reader.remainingByteCount >= 8 {
        let kind = try reader.integer(width: 2)
        let byteCount = try reader.integer(width: 2)
        let flags = try reader.byte()
        try reader.skip(3)
        try add(kind, flags, reader.part(byteCount))
      }
    }
  }

  // MARK: Version 2

  private mutating func readVersion2(_ address: Int) throws {
    var reader = try file.reader(at: address, count: 6)
    try reader.skip(4)
    try reader.expect(version: 2, of: "an object header")
    let flags = try reader.byte()
    let prefixByteCount = 6 + (flags & 0x20 == 0 ? 0 : 16) + (flags & 0x10 == 0 ? 0 : 4)
    let sizeWidth = 1 << (flags & 3)
    var sizeReader = try file.reader(at: address, count: prefixByteCount + sizeWidth)
    try sizeReader.skip(prefixByteCount)
    let size = try sizeReader.integer(width: sizeWidth)
    let headByteCount = prefixByteCount + sizeWidth
    let (byteCount, overflow) = size.addingReportingOverflow(headByteCount + 4)
    guard !overflow else { throw GraftError.damagedHDF5("an object header is too large") }
    try readBlock(address, byteCount, head: headByteCount, flags: flags)
    while let block = pending.popLast() {
      guard visited.insert(block.address).inserted else { throw cycle }
      var start = try file.reader(at: block.address, count: block.byteCount)
      try start.expect(signature: "OCHK")
      try readBlock(block.address, block.byteCount, head: 4, flags: flags)
    }
  }

  private mutating func readBlock(
    _ address: Int, _ byteCount: Int, head: Int, flags headerFlags: Int
  ) throws {
    var whole = try file.reader(at: address, count: byteCount)
    let start = whole.position
    try whole.skip(head)
    var reader = try whole.part(byteCount - head - 4)
    try whole.expectChecksum(from: start)
    let hasOrder = headerFlags & 4 != 0
    // The rest is a gap, too small for a message.
    while reader.remainingByteCount >= (hasOrder ? 6 : 4) {
      let kind = try reader.byte()
      let byteCount = try reader.integer(width: 2)
      let flags = try reader.byte()
      if hasOrder { try reader.skip(2) }
      try add(kind, flags, reader.part(byteCount))
    }
  }

  // MARK: Both

  private mutating func add(_ number: Int, _ flags: Int, _ body: HDF5Reader) throws {
    guard let kind = HDF5Message.Kind(rawValue: number) else {
      // Bit 7: readers that do not know the message must reject the object.
      guard number <= 0x18 || flags & 0x80 == 0 else {
        throw GraftError.unsupported("needs the unknown HDF5 message type \(number)")
      }
      return
    }
    if kind == .continuation {
      var reader = body
      guard let address = try reader.address() else {
        throw GraftError.damagedHDF5("an object header continues at no address")
      }
      pending.append((address, try reader.length()))
      return
    }
    messages.append(HDF5Message(kind: kind, isShared: flags & 2 != 0, body: body))
  }

  private var cycle: GraftError { .damagedHDF5("an object header continues in itself") }
}
