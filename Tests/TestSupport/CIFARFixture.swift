/// Files of CIFAR's forms with a few images. Each sample of image `n` is `n` plus 0 for red, 50
/// for green and 100 for blue; but its first sample in each plane is 7, 8 or 9.
package enum CIFARFixture {
  package static func planes(_ number: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for plane in 0..<3 {
      bytes.append(UInt8(7 + plane))
      bytes += [UInt8](repeating: UInt8(number + 50 * plane), count: 1023)
    }
    return bytes
  }

  /// Records of labels and planes.
  package static func binary(labels: [[UInt8]]) -> [UInt8] {
    labels.enumerated().flatMap { $1 + planes($0) }
  }

  /// A pickle of protocol 2 as Python 2 writes it: `data` and lists of labels.
  package static func pickle(labels: [(key: String, values: [UInt8])]) -> [UInt8] {
    let count = labels.first?.values.count ?? 0
    let four: [UInt8] = [255, 255, 255, 255]
    let data = (0..<count).flatMap(planes)
    let size = (0..<4).map { UInt8(data.count >> (8 * $0) & 0xff) }
    var bytes: [UInt8] = [0x80, 2]
    func add(_ text: String) { bytes += Array(text.utf8) }
    add("}q\u{1}(")
    bytes += text("data")
    add("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\u{0}")
    bytes.append(0x85)
    bytes += text("b")
    bytes.append(0x87)
    add("R(K\u{1}M")
    bytes += [UInt8(count & 0xff), UInt8(count >> 8), UInt8(ascii: "M"), 0, 12, 0x86]
    add("cnumpy\ndtype\n")
    bytes += text("u1")
    add("K\u{0}K\u{1}")
    bytes.append(0x87)
    add("R(K\u{3}")
    bytes += text("|")
    add("NNNJ")
    bytes += four
    add("J")
    bytes += four
    add("K\u{0}tb")
    bytes += [0x89, UInt8(ascii: "T")] + size + data
    add("tb")
    for (key, values) in labels {
      bytes += text(key)
      add("](")
      for value in values { bytes += [UInt8(ascii: "K"), value] }
      add("e")
    }
    add("u.")
    return bytes
  }

  /// A pickled dictionary of lists of names.
  package static func meta(_ lists: [(key: String, names: [String])]) -> [UInt8] {
    var bytes: [UInt8] = [0x80, 2]
    func add(_ text: String) { bytes += Array(text.utf8) }
    add("}q\u{1}(")
    for (key, names) in lists {
      bytes += text(key)
      add("](")
      for name in names { bytes += text(name) }
      add("e")
    }
    add("u.")
    return bytes
  }

  private static func text(_ text: String) -> [UInt8] {
    [UInt8(ascii: "U"), UInt8(text.utf8.count)] + text.utf8
  }
}
