extension String {
  /// Numbers as C's `printf` writes them.
  ///
  /// - Parameters:
  ///   - format: with a conversion for each number: `%.2f`, `%06x`
  ///   - numbers: `Double` and integers, never text
  package init(printf format: String, _ numbers: any CVarArg...) {
    self.init(decoding: printed(format, numbers), as: UTF8.self)
  }
}

private func printed(_ format: String, _ numbers: [any CVarArg]) -> [UInt8] {
  func print(to buffer: UnsafeMutableBufferPointer<CChar>) -> Int {
    Int(withVaList(numbers) { vsnprintf(buffer.baseAddress, buffer.count, format, $0) })
  }
  let length = print(to: UnsafeMutableBufferPointer(start: nil, count: 0))
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: max(0, length) + 1) { buffer in
    buffer[0] = 0
    _ = print(to: buffer)
    return buffer.dropLast().map { UInt8(bitPattern: $0) }
  }
}

extension Int {
  /// The number with a noun, which gets an s unless there is one: `1 epoch`, `2 epochs`.
  package func counting(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}

extension StringProtocol {
  /// Without spaces and tabs at both ends.
  package var trimmed: String {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
      scalar == "\t" || scalar.properties.generalCategory == .spaceSeparator
    }
    let start = unicodeScalars.drop(while: isSpace)
    guard let last = start.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(String.UnicodeScalarView(start[...last]))
  }

  /// With some characters replaced by text; characters that combine with them stay.
  package func replacing(_ replacements: [Unicode.Scalar: String]) -> String {
    var text = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      if let replacement = replacements[scalar] {
        text.append(contentsOf: replacement.unicodeScalars)
      } else {
        text.append(scalar)
      }
    }
    return String(text)
  }
}
