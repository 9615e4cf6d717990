import GraftFiles

/// Files of the binary version: records of labels (one byte; in CIFAR-100 a coarse and a fine one)
/// and an image.
enum CIFARBinary {
  static func batch(
    _ file: DataFile, _ kind: CIFARFolder.Kind, _ labels: CIFARFolder.Labels
  ) throws -> CIFARFolder.Batch {
    let bytes = try file.bytes()
    let labelCount = kind == .cifar10 ? 1 : 2
    let stride = labelCount + CIFARFolder.sampleCount
    guard bytes.count > 0, bytes.count % stride == 0 else {
      throw GraftError.badData(
        "has \(bytes.count) bytes, not a multiple of an image's \(stride)",
        hint: "It is truncated, or of another version of the dataset"
      ).at(file.place)
    }
    let count = bytes.count / stride
    let offset = kind == .cifar100 && labels == .fine ? 1 : 0
    return CIFARFolder.Batch(
      samples: try ImageSamples(
        bytes, place: file.place, count: count, size: CIFARFolder.size, channelCount: 3,
        layout: .planes, offset: labelCount, stride: stride),
      labels: bytes.withUnsafeBytes { bytes in
        (0..<count).map { Int(bytes[$0 * stride + offset]) }
      })
  }

  /// Reads one name per line.
  static func classNames(_ file: DataFile) throws -> [String] {
    let bytes = try file.bytes()
    guard bytes.count < 1 << 16 else {
      throw GraftError.badData("is not a list of class names").at(file.place)
    }
    return bytes.text.split(whereSeparator: \.isNewline).map {
      String($0.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }.filter { !$0.isEmpty }
  }
}
