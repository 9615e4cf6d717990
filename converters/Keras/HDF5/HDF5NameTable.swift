import GraftFiles

/// Named elements, sorted by the bytes of their names.
package struct HDF5NameTable<Element>: RandomAccessCollection {
  private let entries: [(name: String, element: Element)]

  /// - Throws: `GraftError` if two have the same name
  init(_ entries: [(name: String, element: Element)]) throws {
    self.entries = entries.sorted { HDF5NameTable.precedes($0.name, $1.name) }
    for (entry, next) in zip(self.entries, self.entries.dropFirst())
    where entry.name.utf8.elementsEqual(next.name.utf8) {
      throw GraftError.damagedHDF5("the name '\(entry.name)' appears twice")
    }
  }

  package var startIndex: Int { entries.startIndex }
  package var endIndex: Int { entries.endIndex }
  package subscript(position: Int) -> Element { entries[position].element }

  /// Compares bytes: HDF5 distinguishes the Unicode forms of a text.
  package subscript(name: String) -> Element? {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if HDF5NameTable.precedes(entries[middle].name, name) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < entries.count, entries[low].name.utf8.elementsEqual(name.utf8) else { return nil }
    return entries[low].element
  }

  private static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }
}
