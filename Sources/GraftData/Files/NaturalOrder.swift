/// The natural order of names: numbers in them are compared by value, so that `9` comes before `10`
/// and `cat.2.jpg` before `cat.10.jpg`.
package enum NaturalOrder {
  /// Whether `first` comes before `second`. Different names are never equal.
  package static func precedes(_ first: String, _ second: String) -> Bool {
    var (left, right) = (Array(first.utf8)[...], Array(second.utf8)[...])
    while let leftByte = left.first, let rightByte = right.first {
      if isDigit(leftByte), isDigit(rightByte) {
        let leftNumber = takeNumber(&left)
        let rightNumber = takeNumber(&right)
        if leftNumber.count != rightNumber.count { return leftNumber.count < rightNumber.count }
        if !leftNumber.elementsEqual(rightNumber) {
          return leftNumber.lexicographicallyPrecedes(rightNumber)
        }
      } else {
        if leftByte != rightByte { return leftByte < rightByte }
        left.removeFirst()
        right.removeFirst()
      }
    }
    if left.isEmpty != right.isEmpty { return left.isEmpty }
    // They differ in leading zeros at most.
    return first.utf8.lexicographicallyPrecedes(second.utf8)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  /// Removes leading digits; returns them without leading zeros.
  private static func takeNumber(_ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let digits = bytes.prefix(while: isDigit)
    bytes = bytes.dropFirst(digits.count)
    return digits.drop { $0 == UInt8(ascii: "0") }
  }
}
