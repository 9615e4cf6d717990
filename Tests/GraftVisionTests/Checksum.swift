private let table: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0xedb8_8320 : 0) }
}

/// CRC-32, as zlib has it.
func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
  table.withUnsafeBufferPointer { table in
    ~bytes.reduce(~0 as UInt32) { table[Int(($0 ^ UInt32($1)) & 0xff)] ^ $0 >> 8 }
  }
}
